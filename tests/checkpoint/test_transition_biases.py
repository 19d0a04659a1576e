"""A calibrated Viterbi: six biases in a file of the folder, decoded as an exhaustive search decodes them."""

from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lexel
from lexel.checkpoint.files import files_read
from lexel.checkpoint.transition_biases import read_transition_biases
from lexel.decoding.tags import decode_tags
from lexel.errors import CheckpointError
from lexel.labels import LabelSet, detect
from tests.builders import ENTITIES, build_tagger, write_json

FILE = "viterbi_calibration.json"
BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")
TWO_TYPES = (*BIOES, "B-LOC", "I-LOC", "E-LOC", "S-LOC")
FOLLOWERS = {"O": "OBS", "B": "IE", "I": "IE", "E": "OBS", "S": "OBS"}
NAMES = {
    "transition_bias_background_stay": ("OO",),
    "transition_bias_background_to_start": ("OB", "OS"),
    "transition_bias_inside_to_continue": ("BI", "II"),
    "transition_bias_inside_to_end": ("BE", "IE"),
    "transition_bias_end_to_background": ("EO", "SO"),
    "transition_bias_end_to_start": ("EB", "ES", "SB", "SS"),
}


def with_biases(folder: Path, biases: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, {"operating_points": {"default": {"biases": biases}}})
    return folder


def worth(path: tuple[int, ...], labels: tuple[str, ...], scores: NDArray[Any], biases: dict[str, float]) -> float:
    """The sum of a path's scores and biases, written out; minus infinity for a path that BIOES forbids."""
    names = [labels[tag] for tag in path]
    if names[0][0] in "IE" or names[-1][0] in "BI":
        return -np.inf
    total = sum(float(scores[i, tag]) for i, tag in enumerate(path))
    for before, after in pairwise(names):
        if after[0] not in FOLLOWERS[before[0]] or (before[0] in "BI" and before[1:] != after[1:]):
            return -np.inf
        total += sum(value for name, value in biases.items() if before[0] + after[0] in NAMES[name])
    return total


@pytest.mark.parametrize("labels", [BIOES, TWO_TYPES])
@pytest.mark.parametrize("seed", range(12))
def test_tags_are_those_of_an_exhaustive_search(tmp_path: Path, labels: tuple[str, ...], seed: int) -> None:
    random = np.random.default_rng(seed)
    biases = {name: float(np.float32(random.normal() * 2)) for name in NAMES}
    found = read_transition_biases(with_biases(tmp_path, biases), detect(labels))
    scores = (random.normal(size=(4, len(labels))) * 2).astype(np.float32)
    tags = decode_tags(scores, np.array([0, 4]), detect(labels), biases=found)
    paths = product(range(len(labels)), repeat=4)
    assert tuple(tags.tolist()) == max(paths, key=lambda path: worth(path, labels, scores, biases))


@pytest.mark.parametrize("name", NAMES)
def test_each_bias_reaches_its_transitions_and_no_others(tmp_path: Path, name: str) -> None:
    found = read_transition_biases(with_biases(tmp_path, {name: 3.5}), detect(BIOES))
    assert found is not None
    reached = {BIOES[i][0] + BIOES[j][0] for i, j in zip(*np.nonzero(found), strict=True)}
    assert reached == set(NAMES[name])


def test_a_tagger_decodes_with_the_biases_of_its_folder(tmp_path: Path) -> None:
    text = "天下大王在臺北市長小明我他你們"
    folder = build_tagger(tmp_path / "model", heads={"entities": BIOES})
    assert len(lexel.load(folder, engine="numpy")(text).entities) > 0
    with_biases(folder, {"transition_bias_background_stay": 1e4})
    assert len(lexel.load(folder, engine="numpy")(text).entities) == 0


def test_the_file_is_one_of_those_that_a_model_has(tmp_path: Path) -> None:
    folder = with_biases(build_tagger(tmp_path / "model", heads={"entities": BIOES}), {})
    assert FILE in files_read(folder)


def test_other_operating_points_are_passed_over(tmp_path: Path) -> None:
    points = {"default": {"biases": {"transition_bias_end_to_start": 1}}, "high recall": {"anything": []}}
    (tmp_path / FILE).write_text(json.dumps({"operating_points": points}), "utf-8")
    found = read_transition_biases(tmp_path, detect(BIOES))
    assert found is not None
    assert found.max() == 1


@pytest.mark.parametrize(
    ("biases", "message"),
    [
        ({"transition_bias_start": 0}, "unknown bias .transition_bias_start.; expected transition_bias_background"),
        ({"background_stay": 0}, "unknown bias 'background_stay'"),
        ({"transition_bias_end_to_start": "1"}, "transition_bias_end_to_start is '1'; expected a finite number"),
        ({"transition_bias_end_to_start": True}, "transition_bias_end_to_start is True"),
    ],
)
def test_a_wrong_bias_is_named(tmp_path: Path, biases: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_transition_biases(with_biases(tmp_path, biases), detect(BIOES))


@pytest.mark.parametrize("values", [{}, {"operating_points": []}, {"operating_points": {"other": {"biases": {}}}}])
def test_a_file_without_the_default_point_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    write_json(tmp_path / FILE, values)
    with pytest.raises(CheckpointError, match=r"no operating_points\.default\.biases"):
        read_transition_biases(tmp_path, detect(BIOES))


@pytest.mark.parametrize("label_set", [detect(ENTITIES), detect(("B", "I"))])
def test_biases_for_other_tags_are_refused(tmp_path: Path, label_set: LabelSet) -> None:
    with pytest.raises(CheckpointError, match="biases for BIOES tags, the labels of the head are"):
        read_transition_biases(with_biases(tmp_path, {}), label_set)
