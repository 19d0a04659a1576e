"""docs/compatibility.md says what is so: its tests exist, and its tables name every argument."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import lexel
from lexel.ckip import CkipNerChunker, CkipPosTagger, CkipWordSegmenter
from lexel.pipelines.token_classification import OPTIONS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
THEIRS, OURS = PAGE.split("## `lexel.ckip`")
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*/test_*.py"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_a_test_that_the_page_names_exists(name: str) -> None:
    assert f"def {name}(" in TESTS


def test_every_test_of_a_mended_fault_stands_on_the_page() -> None:
    source = (Path(__file__).parent / "test_pipeline_faults.py").read_text(encoding="utf-8")
    compared = [body.partition("(")[0] for body in source.split("\ndef ")[1:] if "their" in body.partition("\n")[2]]
    tests = [name for name in compared if name.startswith("test_")]
    assert len(tests) > 15
    assert [name for name in tests if f"`{name}`" not in PAGE] == []


def arguments_of(table: str) -> set[str]:
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_page_names_every_argument_of_the_pipeline() -> None:
    table = THEIRS.partition("### Arguments")[2].partition("###")[0]
    own = set(inspect.signature(lexel.pipeline).parameters) - {"options"}
    assert arguments_of(table) == {*own, *OPTIONS, "head"}


@pytest.mark.parametrize("driver", [CkipWordSegmenter, CkipPosTagger, CkipNerChunker])
def test_the_page_names_every_argument_of_the_drivers(driver: type) -> None:
    table = OURS.partition("### Driver arguments")[2].partition("###")[0]
    functions = (driver.__init__, driver.__call__)  # type: ignore[attr-defined, misc]
    names = {name for function in functions for name in inspect.signature(function).parameters}
    assert arguments_of(table) == names - {"self"}
