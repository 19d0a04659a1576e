"""The package's face: nothing heavy on import, and what is visible is what is public."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lexel

HEAVY = (
    "numpy",
    "openvino",
    "tokenizers",
    "torch",
    "transformers",
    "safetensors",
    "huggingface_hub",
    "pyarrow",
    "rich",
    "typer",
    "jinja2",
    "yaml",
)


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after some code."""
    report = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_importing_lexel_loads_nothing_heavy() -> None:
    assert modules_after("import lexel").isdisjoint(HEAVY)


def test_looking_at_what_is_there_loads_nothing_heavy() -> None:
    assert modules_after("import lexel; dir(lexel); lexel.__version__; lexel.LexelError").isdisjoint(HEAVY)


def test_loading_a_model_needs_no_deep_learning_framework() -> None:
    loaded = modules_after("import lexel; lexel.load; lexel.Tagger; lexel.open_checkpoint")
    assert loaded.isdisjoint({"torch", "transformers", "openvino", "pyarrow"})


def test_what_is_visible_is_what_is_public() -> None:
    assert dir(lexel) == sorted(lexel.__all__)
    assert len(set(lexel.__all__)) == len(lexel.__all__)


@pytest.mark.parametrize("name", lexel.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lexel, name) is not None


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'lexel' has no attribute 'tagger'"):
        lexel.tagger  # noqa: B018


def test_load_is_the_taggers() -> None:
    assert lexel.load == lexel.Tagger.load
