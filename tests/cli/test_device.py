"""``--device``: what the command line says reaches the engine, and a GPU that is not there is one line."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
import torch

import lexel
from lexel.cli.options.groups import ComputeOptions
from lexel.engines.choose import EngineOptions
from lexel.tasks.zero_shot import ZeroShotClassifier
from tests.cli.conftest import Run, one_error

LOADERS = (lexel.Tagger, lexel.Filler, lexel.Classifier, ZeroShotClassifier, lexel.Answerer, lexel.Embedder)


@pytest.mark.parametrize("task", LOADERS, ids=lambda task: task.__name__)
def test_every_load_takes_what_the_command_line_says(task: type) -> None:
    load: Any = task.load  # type: ignore[attr-defined]
    (taken,) = get_args(get_type_hints(load)["keywords"])
    assert set(ComputeOptions().loading) <= set(get_type_hints(taken))


def test_the_command_line_has_the_engines_defaults() -> None:
    assert EngineOptions(**ComputeOptions().loading) == EngineOptions()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("variables", [{}, {"LEXEL_DEVICE": "cuda:1"}], ids=["option", "variable"])
def test_a_gpu_that_is_not_there_is_one_line(lexel: Run, variables: dict[str, str]) -> None:
    asked = () if variables else ("--device", "cuda:1")
    said = one_error(lexel("segment", "-q", "--engine", "torch", *asked, input="我在北京\n", **variables))
    assert "torch: device 'cuda:1' asked for, but PyTorch sees no GPU" in said


def test_a_device_that_nobody_knows_is_one_line(lexel: Run) -> None:
    said = one_error(lexel("segment", "-q", "--device", "npu", input="我在北京\n"))
    assert "device 'npu' is not known; expected cpu, cuda, cuda:N, or several as cuda:0,cuda:1" in said


def test_the_processor_can_be_asked_for(lexel: Run) -> None:
    result = lexel("segment", "--engine", "torch", "--device", "cpu", input="我在北京\n")
    assert (result.returncode, result.stdout.decode().replace(" ", "")) == (0, "我在北京\n")
    assert b"engine: torch" in result.stderr
