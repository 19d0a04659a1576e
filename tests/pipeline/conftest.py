"""Tiny random models and real sentences, for Lexel's pipeline beside transformers'."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import pipeline as transformers_pipeline

from tests.builders import SPECIALS, build_tagger, write_json

DATA = Path(__file__).parent.parent / "data"
SIZES = {"zh_gsdsimp": 120, "zh_gsd": 120, "zh_hk": 50, "zh_aishell_ner": 40, "en_ewt": 140, "da_ddt": 30}
"""How many sentences of each set; 500 together."""
BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
CONFIG = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
    "architectures": ["BertForTokenClassification"],
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """500 real sentences of Chinese, English and Danish."""
    found = [json.loads(line)["text"] for name, n in SIZES.items() for line in _lines(name)[:n]]
    assert len(found) == 500
    return found


def _lines(name: str) -> list[str]:
    return (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


def word_pieces(sentences: list[str]) -> list[str]:
    """A WordPiece vocabulary with real continuations; about one character in forty is unknown to it."""
    text = " ".join(sentences).lower()
    chars = [char for char, n in Counter(text).most_common() if not char.isspace()]
    chars = chars[: len(chars) * 4 // 5]
    words = [word for word, _ in Counter(text.split()).most_common() if word.isascii() and len(word) > 3]
    stems = dict.fromkeys(word[:3] for word in words)
    ends = dict.fromkeys(f"##{word[3:6]}" for word in words)
    common = [word for word in words if word.isalpha()][:150]
    return list(dict.fromkeys((*SPECIALS, *chars, *(f"##{char}" for char in chars), *common, *stems, *ends)))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """A folder with a BERT that labels in BIO and reads WordPiece."""
    return make_bert(tmp_path_factory.mktemp("bert"), sentences, BIO)


def make_bert(folder: Path, sentences: list[str], labels: tuple[str, ...], **changes: Any) -> Path:
    config = {**CONFIG, **changes}
    build_tagger(
        folder,
        heads={"tags": labels},
        vocab=word_pieces(sentences),
        config=config,
        max_length=config["max_position_embeddings"],
        seed=3,
    )
    return even_out(folder, sentences)


def even_out(folder: Path, sentences: list[str]) -> Path:
    """Shift and stretch a random head so that every label is common and probabilities are all over the range."""
    pipe = theirs(folder)
    with torch.no_grad():
        inputs = pipe.tokenizer(sentences[::20], padding=True, truncation=True, return_tensors="pt")
        scores = pipe.model(**inputs).logits[inputs["attention_mask"] > 0]
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["classifier.weight"] *= (3 / scores.std(dim=0))[:, None]
    tensors["classifier.bias"] = (tensors["classifier.bias"] - scores.mean(dim=0)) * 3 / scores.std(dim=0)
    save_file(tensors, path, {"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """A folder with a RoBERTa that labels in BIO and reads byte-level BPE."""
    from transformers import RobertaConfig, RobertaForTokenClassification

    folder = tmp_path_factory.mktemp("roberta")
    n_pieces = _save_byte_level(folder, sentences)
    torch.manual_seed(5)
    config = RobertaConfig(
        vocab_size=n_pieces,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=514,
        type_vocab_size=1,
        initializer_range=0.3,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        id2label=dict(enumerate(BIO)),
        label2id={label: i for i, label in enumerate(BIO)},
    )
    RobertaForTokenClassification(config).save_pretrained(folder)
    return even_out(folder, sentences)


def _save_byte_level(folder: Path, sentences: list[str]) -> int:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", settings)
    return int(tokenizer.get_vocab_size())


def theirs(folder: Path, **options: Any) -> Any:
    """Transformers' pipeline on a folder, in float32 on one thread."""
    return transformers_pipeline("token-classification", model=str(folder), device=-1, dtype=torch.float32, **options)


def assert_same(ours: list[list[dict[str, Any]]], expected: list[list[dict[str, Any]]], *, words: bool) -> None:
    """The same entities: keys, order, types and values; scores within 1e-4.

    Args:
        ours: Entities of each text.
        expected: Theirs.
        words: Compare the words too.
    """
    __tracebackhide__ = True
    assert len(ours) == len(expected)
    for number, (mine, their) in enumerate(zip(ours, expected, strict=True)):
        assert list(map(_plain, mine)) == list(map(_plain, their)), f"text {number}"
        for a, b in zip(mine, their, strict=True):
            assert list(a) == list(b)
            assert [type(value) for value in a.values()] == [type(value) for value in b.values()]
            assert abs(a["score"] - b["score"]) < 1e-4, f"text {number}: {a} {b}"
            assert not words or a["word"] == b["word"], f"text {number}"


def _plain(entity: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entity.items() if key not in ("score", "word")}


def without_blanks(expected: list[list[dict[str, Any]]], texts: list[str]) -> list[list[dict[str, Any]]]:
    """Their entities without the white space at their ends, and without those of nothing else."""
    kept: list[list[dict[str, Any]]] = []
    for text, entities in zip(texts, expected, strict=True):
        kept.append([])
        for entity in entities:
            in_text = text[entity["start"] : entity["end"]]
            if in_text.strip():
                blanks = len(in_text) - len(in_text.lstrip()), len(in_text) - len(in_text.rstrip())
                kept[-1].append({**entity, "start": entity["start"] + blanks[0], "end": entity["end"] - blanks[1]})
    return kept
