"""The page of results: parts from several files, of one kind of processor, with every plot readable."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.measure import Series
from benchmarks.page import DOCS, write_page
from benchmarks.plots import Line, LinePanel, draw_lines, powers_of
from benchmarks.record import RecordError, read_record
from benchmarks.report import Part, Row
from tests.benchmarks.records import growth, record

ROOT = Path(__file__).parents[2]


def test_parts_come_from_several_files_and_the_last_gives_a_part(tmp_path: Path) -> None:
    start = Part("Start", [Row("Lexel", Series((0.75,)), "s")], [])
    first = record(tmp_path / "runs", {"growth": growth((111.0,)), "startup": start})
    second = record(tmp_path / "runs", {"growth": growth((222.0,))})
    write_page([first, second], tmp_path)
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| 222 |" in page
    assert "| 111 |" not in page
    assert "| Lexel | 0.750 |" in page


def test_results_of_two_kinds_of_processor_make_no_page(tmp_path: Path) -> None:
    runs = [record(tmp_path / "runs", {"growth": growth()}, processor=name) for name in ("Abacus", "Slide rule")]
    with pytest.raises(RecordError, match=r"measured on Slide rule, 2 cores .* on Abacus, 2 cores"):
        write_page(runs, tmp_path)


def test_results_without_sizes_make_no_page(tmp_path: Path) -> None:
    kept = record(tmp_path / "runs", {"growth": growth()})
    older = kept.path.with_name("older.json")
    older.write_text(kept.path.read_text(encoding="utf-8").replace('"sizes"', '"lengths"'), encoding="utf-8")
    with pytest.raises(RecordError, match=r"older\.json: says nothing of its sizes"):
        write_page([read_record(older)], tmp_path)


def test_the_range_of_the_turns_is_drawn_from_the_least_to_the_most() -> None:
    series = Series((1.0, 3.0, 2.0))
    panel = LinePanel("title", [Line("line", [(10, series)], is_peer=False)], "x", "y")
    drawn = ElementTree.fromstring(draw_lines([panel], "title"))
    space = "{http://www.w3.org/2000/svg}"
    (whisker,) = [one for one in drawn.iter(f"{space}line") if one.get("class") == "range"]
    (dot,) = drawn.iter(f"{space}circle")
    low, middle, high = float(whisker.attrib["y1"]), float(dot.attrib["cy"]), float(whisker.attrib["y2"])
    assert low - middle == pytest.approx(middle - high, abs=0.11)
    assert high < middle < low


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(300, 4_200, [200, 500, 1000, 2000, 5000]), (20, 20, [20, 50]), (0.3, 0.9, [0.2, 0.5, 1])],
)
def test_powers_enclose_a_range(low: float, high: float, ticks: list[float]) -> None:
    assert powers_of(low, high) == pytest.approx(ticks)


def test_the_command_makes_a_page_of_the_files_that_it_is_given(tmp_path: Path) -> None:
    kept = record(tmp_path / "runs", {"growth": growth()})
    command = [sys.executable, "-m", "benchmarks.page", str(kept.path), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "speed.md"), str(tmp_path / "speed" / "memory.svg")]


@pytest.mark.skipif(not (DOCS / "speed.md").exists(), reason="no full run has been made into a page yet")
def test_the_page_is_what_its_results_give(tmp_path: Path) -> None:
    page = (DOCS / "speed.md").read_text(encoding="utf-8")
    command = page.splitlines()[0].partition("`")[2].partition("`")[0]
    given, _, left_out = command.partition(" --without ")
    names = re.findall(r"\S+\.json", given)
    write_page([read_record(ROOT / name) for name in names], tmp_path, without=left_out.split())
    assert (tmp_path / "speed.md").read_text(encoding="utf-8") == page
    drawn = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "speed").iterdir()}
    assert drawn == {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "speed").iterdir()}


def test_a_part_that_was_not_measured_here_has_neither_plot_nor_table(tmp_path: Path) -> None:
    rates = Part("BERT with random weights", [Row("Lexel float32", Series((2.0,)), "chars/s")], [])
    nothing = Part("Account", [], [], ["bf16 is not native on this processor"])
    write_page([record(tmp_path / "runs", {"throughput": rates, "account": nothing})], tmp_path)
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "bf16 is not native on this processor" in page
    assert page.count("| median |") == 1
    assert "![" not in page
