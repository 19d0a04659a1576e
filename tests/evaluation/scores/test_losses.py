"""The loss of gold labels beside transformers' own, on the same weights and pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

import lexel
from lexel.document import Document, Spans, Words
from lexel.evaluation.scores.results import LossResult
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from tests.builders import ENTITIES, POS, WORDS, build_tagger

TEXTS = ("the new york live", "going to york 在臺北", "went in 2024, living", "")
ENTITY_SPANS = ([(4, 12, "LOC")], [(9, 13, "LOC"), (15, 17, "PER")], [], [])


def _words(text: str) -> list[tuple[int, int]]:
    found, end = [], 0
    for part in text.split():
        start = text.index(part, end)
        end = start + len(part)
        found.append((start, end))
    return found


def _gold() -> list[Document]:
    documents = []
    for text, entities in zip(TEXTS, ENTITY_SPANS, strict=True):
        words = _words(text)
        pos = [POS[i % len(POS)] for i in range(len(words))]
        documents.append(Document(text, Words.of(text, words, pos), Spans.of(text, entities)))
    return documents


def _loss(folder: Path, documents: Sequence[Document], layer: str, **options: Any) -> LossResult:
    tagger = lexel.load(folder, engine="numpy")
    given = EvaluationOptions(sampling=Sampling(0), given_words=layer == "pos", **options)
    return evaluate(tagger, documents, options=given).losses[layer]


def _theirs(folder: Path, targets: Sequence[Sequence[int]]) -> float:
    """transformers' loss over all texts, from targets of their pieces without the special ones."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    logits, labels = [], []
    for text, target in zip(TEXTS, targets, strict=True):
        with torch.no_grad():
            logits.append(model(**tokenizer(text, return_tensors="pt")).logits[0])
        labels.append(torch.tensor([-100, *target, -100]))
    return float(torch.nn.functional.cross_entropy(torch.cat(logits), torch.cat(labels)))


def _starts(folder: Path) -> list[list[int]]:
    """First character of each piece of each text, by transformers' tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [
        [start for start, _ in tokenizer(text, return_offsets_mapping=True)["offset_mapping"][1:-1]] for text in TEXTS
    ]


def _entity_target(start: int, spans: list[tuple[int, int, str]], label_ids: Sequence[str]) -> int:
    for first, end, label in spans:
        if first <= start < end:
            return label_ids.index(f"{'B' if start == first else 'I'}-{label}")
    return label_ids.index("O")


def test_the_loss_of_entities_is_transformers_loss(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES})
    targets = [
        [_entity_target(start, spans, ENTITIES) for start in starts]
        for starts, spans in zip(_starts(folder), ENTITY_SPANS, strict=True)
    ]
    found = _loss(folder, _gold(), "entities")
    assert found.loss.value == pytest.approx(_theirs(folder, targets), abs=1e-5)
    assert (found.n_items, found.unit) == (sum(map(len, targets)), "pieces")


def test_the_loss_of_words_is_transformers_loss(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS})
    begins = [{start for start, _ in _words(text)} for text in TEXTS]
    targets = [
        [WORDS.index("B" if start in first else "I") for start in starts]
        for starts, first in zip(_starts(folder), begins, strict=True)
    ]
    assert _loss(folder, _gold(), "words").loss.value == pytest.approx(_theirs(folder, targets), abs=1e-5)


def test_the_loss_of_tags_is_taken_at_the_first_piece_of_a_word(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"pos": POS})
    tags = [{start: i % len(POS) for i, (start, _) in enumerate(_words(text))} for text in TEXTS]
    targets = [
        [of_text.get(start, -100) for start in starts] for starts, of_text in zip(_starts(folder), tags, strict=True)
    ]
    found = _loss(folder, _gold(), "pos")
    assert found.loss.value == pytest.approx(_theirs(folder, targets), abs=1e-5)
    assert (found.n_items, found.unit) == (sum(map(len, tags)), "words")


def test_a_word_decided_by_the_mean_costs_its_mean_probability(tmp_path: Path) -> None:
    text = "going"
    document = Document(text, Words.of(text, [(0, 5)], ["VC"]))
    folder = build_tagger(tmp_path / "mean", heads={"pos": POS}, pieces="chars", word_label="mean")
    tagger = lexel.load(folder, engine="numpy")
    (flow,) = tagger.flows
    scores: list[Any] = []

    def kept(blocks: Any) -> Any:
        for block in flow.read(blocks):
            scores.append(block.readings[flow.name].scores["pos"])
            yield block

    from lexel.tasks.base import gather_blocks

    list(kept(gather_blocks([text])))
    probs = torch.softmax(torch.tensor(scores[0]), dim=-1)[:, POS.index("VC")]
    assert len(probs) == 5
    assert _loss(folder, [document], "pos").loss.value == pytest.approx(-float(torch.log(probs.mean())), abs=1e-6)


def test_labels_that_the_model_does_not_have_are_left_out_unless_mapped(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES})
    text = "the new york"
    gold = [Document(text, entities=Spans.of(text, [(4, 12, "GPE"), (0, 3, "PER")]))]
    mapped = [Document(text, entities=Spans.of(text, [(4, 12, "LOC"), (0, 3, "PER")]))]
    assert _loss(folder, gold, "entities").n_items < _loss(folder, mapped, "entities").n_items
    assert _loss(folder, gold, "entities", label_map={"GPE": "LOC"}) == _loss(folder, mapped, "entities")


def test_a_document_without_the_layer_costs_nothing(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES})
    bare = [Document(document.text, document.words) for document in _gold()]
    assert _loss(folder, [*_gold(), *bare], "entities") == _loss(folder, _gold(), "entities")
