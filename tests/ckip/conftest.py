"""Small models for Lexel's drivers beside ckip-transformers, which is called and never read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from ckip_transformers.nlp import CkipNerChunker as TheirNerChunker
from ckip_transformers.nlp import CkipPosTagger as TheirPosTagger
from ckip_transformers.nlp import CkipWordSegmenter as TheirWordSegmenter
from safetensors.numpy import load_file, save_file

from lexel.ckip import CkipNerChunker, CkipPosTagger, CkipWordSegmenter
from tests.builders import SPECIALS, bert_config, bert_tensors, build_rule_tagger, write_folder

DATA = Path(__file__).parent.parent / "data"
SIZES = {"zh_gsd": 120, "zh_gsdsimp": 100, "zh_hk": 40, "zh_aishell_ner": 40}
"""How many sentences of each set, traditional and simplified; 300 together."""
LABELS = {
    "ws": ("B", "I"),
    "pos": ("Na", "Nb", "VC", "D", "DE", "COMMACATEGORY", "Caa", "FW"),
    "ner": ("O", *(f"{role}-{kind}" for kind in ("PERSON", "GPE") for role in "BIES")),
}
OURS = {"ws": CkipWordSegmenter, "pos": CkipPosTagger, "ner": CkipNerChunker}
THEIRS = {"ws": TheirWordSegmenter, "pos": TheirPosTagger, "ner": TheirNerChunker}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def read_data(name: str, n: int) -> list[dict[str, object]]:
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:n]]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """300 real Chinese sentences in both scripts."""
    found = [str(record["text"]) for name, n in SIZES.items() for record in read_data(name, n)]
    assert len(found) == 300
    return found


def vocabulary(sentences: Sequence[str]) -> list[str]:
    """Characters of the sentences but for the rarest, in a vocabulary that also has pieces of several characters."""
    counts = Counter("".join(sentences)).most_common()
    chars = [char for char, _ in counts if not char.isspace()]
    return list(dict.fromkeys((*SPECIALS, *chars[: len(chars) * 9 // 10], "##的", "the", "ABC")))


def make_model(
    folder: Path, labels: Sequence[str], vocab: Sequence[str], *, positions: int = 512, hidden: int = 48, seed: int = 0
) -> Path:
    """A random BERT of two layers whose labels are all common."""
    config = bert_config(
        vocab_size=len(vocab),
        hidden_size=hidden,
        num_attention_heads=4,
        num_hidden_layers=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=positions,
        architectures=["BertForTokenClassification"],
        id2label={str(i): label for i, label in enumerate(labels)},
    )
    write_folder(
        folder, config, bert_tensors(config, {"classifier": len(labels)}, seed=seed), vocab, max_length=positions
    )
    return even_out(folder)


def make_rule_model(folder: Path, labels: Sequence[str], chars: str, *, positions: int = 64) -> Path:
    """A BERT that labels each of ``chars`` with its label, whatever stands around it."""
    return build_rule_tagger(folder, labels, dict(zip(chars, labels, strict=True)), positions=positions)


def even_out(folder: Path) -> Path:
    """Shift and stretch a random head so that every label is common."""
    from transformers import BertForTokenClassification

    model = BertForTokenClassification.from_pretrained(folder).eval()
    generator = torch.Generator().manual_seed(1)
    length = min(60, model.config.max_position_embeddings)
    with torch.no_grad():
        ids = torch.randint(5, model.config.vocab_size, (40, length), generator=generator)
        scores = model(ids).logits.reshape(-1, model.config.num_labels).numpy()
    path = folder / "model.safetensors"
    tensors = load_file(path)
    stretch = 3 / scores.std(axis=0)
    tensors["classifier.weight"] *= stretch[:, None]
    tensors["classifier.bias"] = (tensors["classifier.bias"] - scores.mean(axis=0)) * stretch
    save_file(tensors, path, {"format": "pt"})
    return folder
