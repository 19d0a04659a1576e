"""Scores calibrated on labelled data, and what lexel.json keeps of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lexel.cli.app import app
from lexel.data import write_jsonl
from lexel.data.labelled import open_labelled
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.calibrate import calibrate, calibrate_folder
from lexel.evaluation.scores.run import evaluate
from lexel.tasks.tag import Tagger
from tests.builders import CHARS, ENTITIES, POS, WORDS, WORDS_POS, build_tagger

LAYERS = {"words": WORDS, "pos": POS, "entities": ENTITIES}


def load(folder: Path, **options: Any) -> Tagger:
    return Tagger.load(folder, engine="numpy", **options)


def noisy_gold(tagger: Tagger, n_documents: int = 120, *, seed: int = 1) -> list[Document]:
    """What a model reads in random texts, with two in five layers of another text of the same length: too sure."""
    random = np.random.default_rng(seed)
    texts = ["".join(CHARS[i] for i in random.integers(len(CHARS), size=20)) for _ in range(n_documents)]
    found = list(tagger.stream(texts))
    return [
        found[i] if random.random() < 0.6 else Document(texts[i], found[i - 1].words, found[i - 1].entities)
        for i in range(n_documents)
    ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_tagger(tmp_path / "model", heads=LAYERS, pieces="chars")


@pytest.fixture
def data(model: Path, tmp_path: Path) -> Path:
    write_jsonl(noisy_gold(load(model)), tmp_path / "dev.jsonl")
    return tmp_path / "dev.jsonl"


def spans(documents: Sequence[Document]) -> list[Any]:
    return [[(span.start, span.end, span.label) for span in document.entities] for document in documents]


def test_calibrated_scores_of_a_folder_say_how_often_they_are_right(model: Path, data: Path) -> None:
    file = open_labelled(data)
    found = calibrate_folder(model, [file])
    results = evaluate(load(model, min_score=0), file.documents())
    for layer in ("words", "pos", "entities"):
        result, measured = found[layer], getattr(results, layer).reliability
        assert result.before.expected_error > 0.1
        assert measured.expected_error == pytest.approx(result.after.expected_error, abs=0.01)
        assert measured.expected_error < result.before.expected_error / 2


def test_calibration_changes_scores_and_nothing_that_is_decoded(model: Path, data: Path) -> None:
    texts = [document.text for document in open_labelled(data).documents()]
    before = list(load(model).stream(texts))
    calibrate_folder(model, [open_labelled(data)])
    after = list(load(model, min_score=0).stream(texts))
    assert [document.words.texts for document in after] == [document.words.texts for document in before]
    assert [document.words.pos for document in after] == [document.words.pos for document in before]
    assert spans(after) == spans(before)
    assert [document.words[0].score for document in after] != [document.words[0].score for document in before]


def test_calibrating_again_gives_the_same_numbers(model: Path, data: Path) -> None:
    calibrate_folder(model, [open_labelled(data)])
    first = json.loads((model / "lexel.json").read_text(encoding="utf-8"))
    calibrate_folder(model, [open_labelled(data)])
    assert json.loads((model / "lexel.json").read_text(encoding="utf-8")) == first


def test_entities_below_the_least_score_are_left_out_unless_the_caller_says_otherwise(model: Path, data: Path) -> None:
    calibrate_folder(model, [open_labelled(data)])
    path = model / "lexel.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["heads"]["entities"]["tuned"]["min_score"] = 0.6
    path.write_text(json.dumps(values), encoding="utf-8")
    texts = [document.text for document in open_labelled(data).documents()]
    every = [entity.score for document in load(model, min_score=0).stream(texts) for entity in document.entities]
    kept = [entity.score for document in load(model).stream(texts) for entity in document.entities]
    assert kept == [score for score in every if score >= 0.6]
    assert 0 < len(kept) < len(every)


def test_the_strict_rule_sees_only_the_entities_that_are_kept(model: Path, data: Path) -> None:
    results = evaluate(load(model, decode="argmax", min_score=0.9), open_labelled(data).documents())
    assert results.entities is not None
    every = evaluate(load(model, decode="argmax"), open_labelled(data).documents())
    assert every.entities is not None
    assert results.entities.lenient.micro.n_predicted < every.entities.lenient.micro.n_predicted


def test_a_least_score_is_a_probability(model: Path) -> None:
    with pytest.raises(ValueError, match=r"min_score is 1.5; expected a score from 0 to 1"):
        load(model, min_score=1.5)


def test_a_plain_folder_gets_a_lexel_json_that_keeps_its_head(tmp_path: Path) -> None:
    plain = build_tagger(tmp_path / "plain", heads={"entities": ENTITIES})
    write_jsonl(noisy_gold(load(plain)), tmp_path / "dev.jsonl")
    calibrate_folder(plain, [open_labelled(tmp_path / "dev.jsonl")])
    assert load(plain).layers["entities"].head.tuned.scale != 1
    assert load(plain).layers["entities"].head.labels == ENTITIES


def test_a_script_border_is_kept(model: Path, data: Path) -> None:
    calibrate_folder(model, [open_labelled(data)], script_border=3)
    assert load(model).layers["words"].head.tuned.script_border == 3
    calibrate_folder(model, [open_labelled(data)])
    assert load(model).layers["words"].head.tuned.script_border == 3


def test_a_head_for_words_with_tags_is_left_as_it_is(tmp_path: Path) -> None:
    tagger = load(build_tagger(tmp_path, heads={"words+pos": WORDS_POS}))
    with pytest.raises(DataError, match=r"no layer can be calibrated"):
        calibrate(tagger, noisy_gold(tagger))


def test_few_predictions_are_refused(model: Path) -> None:
    tagger = load(model)
    with pytest.raises(DataError, match=r"expected at least 50 of one layer"):
        calibrate(tagger, noisy_gold(tagger, 2))


def test_the_command_says_what_it_found_and_writes_it(model: Path, data: Path) -> None:
    result = CliRunner().invoke(app, ["calibrate", str(model), "-d", str(data)])
    assert result.exit_code == 0, result.output
    assert "entities: calibration error " in result.stderr
    assert "lexel.json: written" in result.stderr
    assert load(model).layers["entities"].head.tuned.record["data"]
