"""Tiny random masked-language models of every family, and a brute-force view of them through transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForMaskedLM
from transformers.utils import logging

from lexel.tasks.fill import Filler
from tests.builders import VOCAB, write_json, write_vocab

DATA = Path(__file__).parent.parent / "data"
FAMILIES = ("bert", "roberta", "albert", "distilbert", "electra")
POSITIONS = 64
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.3,
    "max_position_embeddings": POSITIONS,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": {**SIZES, "max_position_embeddings": POSITIONS + 2, "pad_token_id": 1, "type_vocab_size": 1},
    "albert": {**SIZES, "embedding_size": 16, "hidden_act": "gelu"},
    "electra": {**SIZES, "embedding_size": 16},
    "distilbert": {
        **{"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": POSITIONS},
        "initializer_range": 0.3,
    },
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    yield
    torch.set_num_threads(before)


def sentences_of(name: str, n: int) -> list[str]:
    """The first real sentences of a set."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[:n]]


def build_masked(folder: Path, family: str, *, vocab: Sequence[str] = VOCAB, seed: int = 0) -> Path:
    """A folder with a random masked-language model of a family, and a tokenizer."""
    folder.mkdir(exist_ok=True)
    n_pieces = _write_byte_level(folder) if family == "roberta" else len(vocab)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, vocab_size=n_pieces, **SETTINGS[family])
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    if family != "roberta":
        write_vocab(folder, vocab, max_length=POSITIONS)
    return folder


def _write_byte_level(folder: Path) -> int:
    """A byte-level tokenizer of English sentences; gives the number of its pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences_of("en_ewt", 100), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    mask = {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "RobertaTokenizer",
            "model_max_length": POSITIONS,
            "mask_token": {**mask, "__type": "AddedToken", "special": True},
            "add_prefix_space": False,
        },
    )
    return int(tokenizer.get_vocab_size())


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each family."""
    root = tmp_path_factory.mktemp("masked")
    return {family: build_masked(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def filler(folders: dict[str, Path]) -> Filler:
    """A filler with a BERT, in float64."""
    return Filler.load(folders["bert"], engine="numpy")


@pytest.fixture(scope="session")
def theirs(folders: dict[str, Path]) -> Any:
    """The same BERT as transformers has it, in float64."""
    return AutoModelForMaskedLM.from_pretrained(folders["bert"]).double().eval()


def their_log_probs(model: Any, ids: list[int]) -> torch.Tensor:
    """Transformers' log-probabilities of every piece at every position, ``[length, vocab]``."""
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
