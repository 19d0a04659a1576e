"""The floor: set from results, raised and not lowered, told apart by processor, refused when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import floor
from benchmarks.floor import Floor, FloorError, FloorFile, fallen, raised, read_floors, write_floors
from benchmarks.record import Record, RecordError, read_record
from benchmarks.report import Bar
from tests.benchmarks.records import part_of, record

ROOT = Path(__file__).parents[2]
NONE = FloorFile(0.1, {})


def run(folder: Path, value: float | None, *, at_most: bool = False, unit: str = "x", quick: bool = False) -> Record:
    """The result of a run with one figure."""
    return record(folder, {"memory": part_of(Bar("figure", 1, value, at_most=at_most, unit=unit))}, quick=quick)


def floors(file: FloorFile) -> dict[str, Floor]:
    """The floors of the only kind."""
    (found,) = file.kinds.values()
    return found


def test_a_floor_is_the_median_of_the_runs_less_the_margin(tmp_path: Path) -> None:
    runs = [run(tmp_path, value) for value in (10.0, 8.0, 9.0)]
    assert floors(raised(NONE, runs)) == {"figure": Floor(8.1)}


def test_where_less_is_better_the_margin_is_added(tmp_path: Path) -> None:
    assert floors(raised(NONE, [run(tmp_path, 0.5, at_most=True)])) == {"figure": Floor(0.55, at_most=True)}


@pytest.mark.parametrize(("at_most", "better", "worse"), [(False, 12.0, 8.0), (True, 8.0, 12.0)])
def test_a_floor_rises_and_is_not_lowered_unasked(tmp_path: Path, at_most: bool, better: float, worse: float) -> None:
    first = raised(NONE, [run(tmp_path, 10.0, at_most=at_most)])
    assert raised(first, [run(tmp_path, worse, at_most=at_most)]) == first
    higher = raised(first, [run(tmp_path, better, at_most=at_most)])
    assert floors(higher)["figure"].is_harder_than(floors(first)["figure"])


def test_a_floor_is_lowered_when_that_is_asked(tmp_path: Path) -> None:
    first = raised(NONE, [run(tmp_path, 10.0)])
    assert floors(raised(first, [run(tmp_path, 8.0)], is_lowering=True)) == {"figure": Floor(7.2)}


def test_absolute_rates_have_no_floor(tmp_path: Path) -> None:
    assert floors(raised(NONE, [run(tmp_path, 90_000.0, unit=" chars/s")])) == {}


def test_what_was_not_measured_has_no_floor(tmp_path: Path) -> None:
    assert floors(raised(NONE, [run(tmp_path, None)])) == {}


def test_each_kind_of_processor_has_its_own(tmp_path: Path) -> None:
    part = {"memory": part_of(Bar("figure", 1, 2.0))}
    runs = [record(tmp_path, part), record(tmp_path, part, processor="Abacus"), record(tmp_path, part, threads=1)]
    assert len(raised(NONE, runs).kinds) == 3


def test_quick_runs_set_no_floor(tmp_path: Path) -> None:
    with pytest.raises(FloorError, match="a quick run, which says nothing; expected a full one"):
        raised(NONE, [run(tmp_path, 2.0, quick=True)])


@pytest.mark.parametrize(
    ("value", "at_most", "lines"),
    [
        (7.0, False, ["figure: 7.00x, below the floor of 8.00x"]),
        (9.0, False, []),
        (9.0, True, ["figure: 9.00x, above the floor of 8.00x"]),
        (7.0, True, []),
        (None, False, []),
    ],
)
def test_a_fallen_figure_is_one_line(value: float | None, at_most: bool, lines: list[str]) -> None:
    part = part_of(Bar("figure", 1, value, at_most=at_most))
    assert fallen([part], {"figure": Floor(8.0, at_most), "of another part": Floor(1.0)}) == lines


def test_floors_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = raised(NONE, [run(tmp_path / "runs", 10.0)])
    write_floors(tmp_path / "floor.json", file)
    assert read_floors(tmp_path / "floor.json") == file


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], "JSONDecodeError"),
        (lambda text: text.replace('"margin"', '"martin"'), "KeyError: 'margin'"),
        (lambda text: text.replace("9.0", "null"), r"kinds\[0\], 'figure': ValueError: None is not a number above 0"),
        (lambda text: text.replace("9.0", "-1"), r"kinds\[0\], 'figure': ValueError: -1 is not a number above 0"),
        (lambda text: "[]", "TypeError"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "floor.json"
    write_floors(path, raised(NONE, [run(tmp_path / "runs", 10.0)]))
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(FloorError, match=f"floor.json: {message}.*from version control"):
        read_floors(path)


def test_the_floors_that_are_kept_can_be_read() -> None:
    assert 0 < read_floors(floor.FILE).margin < 1


def test_the_command_writes_the_file_and_says_what_moved(tmp_path: Path) -> None:
    kept = run(tmp_path / "runs", 10.0)
    command = [sys.executable, "-m", "benchmarks.floor", str(kept.path), "--file", str(tmp_path / "floor.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "figure: none -> 9.30" in done.stdout
    assert floors(read_floors(tmp_path / "floor.json")) == {"figure": Floor(9.3)}


def test_what_no_run_kept_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"settings": {"parts": [], "quick": False}, "parts": []}), encoding="utf-8")
    with pytest.raises(RecordError, match=r"result\.json: KeyError: 'machine'; expected what"):
        read_record(path)


PROGRAM = """
import sys
import benchmarks.__main__ as program
from benchmarks.floor import Floor, FloorError, FloorFile
from benchmarks.machine import describe_machine
from benchmarks.record import kind_of
from benchmarks.report import Bar, Part

def measured(setting):
    print("measured")
    return Part("part", [], [Bar("figure", 1, 2.0)])

def read_floors():
    if {floor!r} is None:
        raise FloorError("floor.json: damaged")
    return FloorFile(0.1, {{kind_of(describe_machine(), threads={threads}): {{"figure": Floor({floor!r})}}}})

program.PARTS, program.read_floors = {{"part": measured}}, read_floors
sys.argv = ["benchmarks", "--threads", "2", *{arguments!r}]
program.main()
"""


def benchmark(floor: float | None, *arguments: str, threads: int = 2) -> subprocess.CompletedProcess[str]:
    """A run of one part with a figure of 2.0, beside a floor; without one the file is damaged."""
    program = PROGRAM.format(floor=floor, threads=threads, arguments=arguments)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_run_below_the_floor_fails_with_a_line_for_each_figure_and_keeps_its_result(tmp_path: Path) -> None:
    done = benchmark(3.0, "--save", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "figure: 2.00x, below the floor of 3.00x"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_above_the_floor_shows_it_and_succeeds() -> None:
    done = benchmark(1.5)
    assert done.returncode == 0, done.stderr
    assert "1.50x" in done.stdout


def test_another_kind_of_processor_has_no_floor_and_the_run_says_so() -> None:
    done = benchmark(3.0, threads=7)
    assert done.returncode == 0
    assert "no floor yet for" in done.stderr


def test_a_quick_run_is_not_compared() -> None:
    assert benchmark(3.0, "--quick").returncode == 0


def test_a_damaged_floor_file_ends_a_run_before_anything_is_measured() -> None:
    done = benchmark(None)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "floor.json: damaged"
