"""Weights in eight bits: smaller, and read as before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lexel.checkpoint.convert import write_safetensors
from lexel.checkpoint.tensors import StoredTensor
from lexel.checkpoint.weights import open_weights
from lexel.cli.app import app
from lexel.errors import CheckpointError, WeightError
from lexel.export.compress import compress, in_eight_bits
from lexel.tasks.base import gather_blocks
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, WORDS, build_tagger

TEXTS = ["天下的人", "王小明出生" * 20]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and the same with its weights in eight bits."""
    place = tmp_path_factory.mktemp("models")
    config = {"hidden_size": 128, "intermediate_size": 256}
    folder = build_tagger(place / "model", heads={"words": WORDS, "entities": ENTITIES}, pieces="chars", config=config)
    return folder, compress(folder, place / "small")


def scores(folder: Path, engine: str) -> dict[str, np.ndarray]:
    flow = Tagger.load(folder, engine=engine, precision="auto" if engine == "numpy" else "float32").flows[0]
    (block,) = flow.read(gather_blocks(TEXTS))
    return dict(block.readings[flow.name].scores)


def test_a_row_is_at_most_half_a_step_from_what_it_was() -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
    matrix[3] = 0
    values, scale = in_eight_bits(matrix)
    assert values.dtype == np.int8
    assert np.abs(values).max() == 127
    assert (np.abs(values * scale - matrix) <= scale / 2 + 1e-6).all()


@pytest.mark.parametrize("engine", ["numpy", "openvino", "torch"])
def test_every_engine_reads_it_nearly_as_before(folders: tuple[Path, Path], engine: str) -> None:
    before, after = (scores(folder, engine) for folder in folders)
    for name in before:
        spread = float(np.abs(before[name]).max())
        assert 0 < float(np.abs(before[name] - after[name]).max()) < 0.1 * spread


def test_it_is_less_than_a_third_of_the_size(folders: tuple[Path, Path]) -> None:
    before, after = ((folder / "model.safetensors").stat().st_size for folder in folders)
    assert after < before / 3
    assert open_weights(folders[1]).dtype == "int8"


def test_the_heads_and_the_tokenizer_go_with_it(folders: tuple[Path, Path]) -> None:
    for name in ("lexel.json", "config.json", "vocab.txt"):
        assert (folders[1] / name).read_bytes() == (folders[0] / name).read_bytes()


def test_the_entry_of_a_graph_that_is_left_behind_goes(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    values = json.loads((folder / "lexel.json").read_text(encoding="utf-8"))
    (folder / "lexel.json").write_text(json.dumps(values | {"quantised": {}}), encoding="utf-8")
    compress(folder, tmp_path / "small")
    assert "quantised" not in json.loads((tmp_path / "small" / "lexel.json").read_text(encoding="utf-8"))


def test_a_scale_of_another_shape_is_refused(tmp_path: Path) -> None:
    tensors = {
        "a.weight": StoredTensor("I8", np.ones((3, 4), np.int8), "x"),
        "a.weight_scale": StoredTensor("F32", np.ones((4, 1), np.float32), "x"),
    }
    write_safetensors(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightError, match=r"'a.weight_scale' is F32 \(4, 1\); expected a floating number for each row"):
        open_weights(tmp_path)


def test_a_folder_that_is_there_is_not_written_over(folders: tuple[Path, Path]) -> None:
    with pytest.raises(CheckpointError, match="already exists"):
        compress(*folders)


def test_the_command_says_how_small_it_became(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["quantize", str(folders[0]), str(tmp_path / "out"), "--weights-only"])
    assert run.exit_code == 0, run.output
    assert "written; weights of " in run.stderr
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes()


def test_the_command_refuses_options_that_make_a_graph(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["quantize", str(folders[0]), str(tmp_path / "out"), "--weights-only", "--dynamic"])
    assert run.exit_code != 0
    assert "--weights-only: cannot be combined with" in run.stderr
