"""The benchmark runs, whole, in small: nobody reads its figures here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.account import TITLE
from benchmarks.machine import has_bf16, has_int8
from benchmarks.page import SECTIONS, write_page
from benchmarks.record import read_record
from benchmarks.report import shown
from benchmarks.setting import QUICK

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
ROOT = Path(__file__).parents[2]
BARS = 26


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one quick run keeps, and what it prints under ``printed``."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--save", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (path,) = folder.iterdir()
    return json.loads(path.read_text(encoding="utf-8")) | {"printed": run.stdout, "path": path}


@pytest.fixture(scope="module")
def page(saved: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that is made of it, with its plots beside it."""
    folder = tmp_path_factory.mktemp("docs")
    write_page([read_record(saved["path"])], folder)
    return folder / "speed.md"


def test_every_bar_of_the_table_is_measured_where_the_machine_can(saved: Any) -> None:
    bars = [bar for part in saved["parts"] for bar in part["bars"]]
    assert len(bars) == BARS
    lacking = [name for name, has in (("bf16", has_bf16()), ("int8", has_int8())) if not has]
    unmeasured = [bar["figure"] for bar in bars if bar["value"] is None]
    assert [figure for figure in unmeasured if not any(name in figure for name in lacking)] == []


def test_every_series_holds_one_value_for_each_repetition(saved: Any) -> None:
    rows = [row for part in saved["parts"] for row in part["rows"]]
    assert [row["name"] for row in rows if len(row["series"]["values"]) != 1] == []
    assert [row["name"] for row in rows if row["unit"] != "%" and row["series"]["values"][0] <= 0] == []


@pytest.mark.skipif(not has_bf16(), reason="bf16 is not native here")
def test_the_account_of_the_time_leaves_nothing_out(saved: Any) -> None:
    (account,) = [part for part in saved["parts"] if part["name"] == TITLE]
    assert sum(row["series"]["values"][0] for row in account["rows"]) == pytest.approx(100)


def test_the_machine_and_the_versions_are_printed(saved: Any) -> None:
    printed = " ".join(saved["printed"].split())
    assert saved["machine"]["processor"] in printed
    assert f"transformers {saved['machine']['versions']['transformers']}" in printed


def rows_of(saved: Any, part: str) -> list[Any]:
    """The rows of a part by its name on the command line."""
    rows: list[Any] = saved["parts"][saved["settings"]["parts"].index(part)]["rows"]
    return rows


@pytest.mark.parametrize(
    ("part", "places"), [("lengths", QUICK.lengths), ("budgets", QUICK.budgets), ("growth", QUICK.counts)]
)
def test_every_line_has_a_row_at_every_place_of_its_axis(saved: Any, part: str, places: tuple[int, ...]) -> None:
    rows = rows_of(saved, part)
    assert {name: tuple(row["x"] for row in rows if row["plot"] == name) for name in {row["plot"] for row in rows}} == {
        row["plot"]: places for row in rows
    }
    assert len({row["plot"] for row in rows}) == 2


def test_every_engine_is_measured_in_every_precision_that_it_has_here(saved: Any) -> None:
    expected = {f"Lexel {engine} float32" for engine in ("OpenVINO", "torch")} | {"Lexel numpy float64"}
    expected |= {"Lexel OpenVINO bf16", "Lexel torch bf16"} if has_bf16() else set()
    expected |= {"Lexel OpenVINO int8"} if has_int8() else set()
    assert {row["label"] for row in rows_of(saved, "engines") if not row["is_peer"]} == expected


def test_the_page_has_every_figure_beside_its_bar(saved: Any, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    figures = [bar["figure"] for part in saved["parts"] for bar in part["bars"]]
    assert [figure for figure in figures if f"| {figure} |" not in text] == []


def test_every_row_is_on_the_page(saved: Any, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rows = [row["name"] for part in saved["parts"] for row in part["rows"]]
    assert [name for name in rows if f"| {name} |" not in text] == []


def test_every_number_on_the_page_is_in_the_results(saved: Any, page: Path) -> None:
    values = {name: value for name, value in saved.items() if name not in ("printed", "path")}
    known = {number for value in leaves(values) for number in spellings(value)} | set(
        _NUMBER.findall(saved["path"].name)
    )
    assert sorted(set(_NUMBER.findall(page.read_text(encoding="utf-8"))) - known) == []


def test_a_quick_run_is_said_to_mean_nothing(page: Path) -> None:
    assert "these figures say nothing" in page.read_text(encoding="utf-8")


def test_every_plot_is_an_image_with_a_title_that_the_page_shows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for section in (section for section in SECTIONS if section.plot):
        assert f"](speed/{section.plot}.svg)" in text
        drawn = ElementTree.parse(page.parent / "speed" / f"{section.plot}.svg").getroot()
        assert drawn.get("aria-label")
        assert [one for one in drawn.iter() if one.get("class") in ("ours", "theirs")]


def leaves(value: Any) -> Iterator[Any]:
    """Everything in a JSON value that is no list and no object, and the names in its objects."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def spellings(value: Any) -> Iterator[str]:
    """How a value may stand on the page: a number as it is printed, a text with the numbers in it."""
    if isinstance(value, str):
        yield from _NUMBER.findall(value)
    elif value is not None:
        yield from (f"{value:,}", shown(abs(value)), f"{value:g}")
