"""What a run takes over from the heads of its base model."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import PartialState

from lexel.training.config.options import HeadOptions
from lexel.training.distributed import ProcessGroup
from lexel.training.start.setup import Setup, build_model, prepare, read_weights
from tests.builders import build_tagger
from tests.training.start.test_plan import RECORDS, options, written


def setup_on(tmp_path: Path, labels: list[str]) -> Setup:
    """A run whose data has the tags Na, D and VC, on a model with these tags."""
    build_tagger(tmp_path / "model", heads={"pos": labels}, pieces="chars")
    asked = options(tmp_path, written(tmp_path / "train.jsonl", *RECORDS), heads={"pos": HeadOptions(task="pos")})
    return prepare(asked, process_group=ProcessGroup(PartialState(cpu=True)), cache=tmp_path / "cache")


def test_labels_that_the_base_model_has_start_from_its_weights(tmp_path: Path) -> None:
    setup = setup_on(tmp_path, ["X", "Na", "D"])
    assert setup.heads[0].labels == ("D", "Na", "VC")
    there = read_weights(tmp_path / "model")
    made = build_model(setup).head("pos").state_dict()
    for part in ("weight", "bias"):
        assert torch.equal(made[f"output.{part}"][:2], there[f"heads.pos.{part}"][[2, 1]])
        assert not torch.equal(made[f"output.{part}"][2], there[f"heads.pos.{part}"][0])


def test_a_note_names_the_labels_that_are_new(tmp_path: Path) -> None:
    assert "head pos: 3 labels, 2 with weights of the base model, new: VC" in setup_on(tmp_path, ["X", "Na", "D"]).notes


def test_a_head_without_a_common_label_is_new(tmp_path: Path) -> None:
    assert "head pos: 3 labels, new weights" in setup_on(tmp_path, ["X", "Y"]).notes
