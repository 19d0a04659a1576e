"""Options, help and the time until the first word of help."""

from __future__ import annotations

import inspect
import io
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from lexel.cli.options import groups as options
from lexel.cli.terminal.progress import InputFiles
from tests.cli.conftest import COMMAND
from tests.cli.help_blocks import PAGE, commands, commands_shown, with_help

HELP_S, IMPORT_S = 0.5, 0.08
"""What the issue allows; a busy machine is allowed twice as much."""


@dataclass(frozen=True)
class Needed:
    """A group with an option that has no default."""

    data: str


def test_choices_are_those_of_the_rooms_that_know_them() -> None:
    from lexel.data import FORMATS
    from lexel.data.offsets import OFFSET_UNITS
    from lexel.decoding.tags import Method
    from lexel.engines.choose import ENGINES, PRECISIONS
    from lexel.tasks.layers import Snap
    from lexel.text.script import SCRIPTS

    assert get_args(options.EngineName) == ENGINES
    assert get_args(options.PrecisionName) == PRECISIONS
    assert get_args(options.DecodeName) == get_args(Method)
    assert get_args(options.SnapName) == get_args(Snap)
    assert get_args(options.OffsetsName) == OFFSET_UNITS
    assert get_args(options.ScriptName) == SCRIPTS
    assert get_args(options.OutputFormat) == tuple(FORMATS)
    assert get_args(options.InputFormat) == tuple(name for name, format in FORMATS.items() if format.reader)


def test_the_page_has_the_help_of_every_command_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert commands_shown(page) == ["", *commands()]
    assert page == with_help(page), "run: python -m tests.cli.help_blocks"


def test_nothing_heavy_is_imported_before_arguments_are_parsed() -> None:
    heavy = ("numpy", "openvino", "tokenizers", "safetensors", "huggingface_hub", "pyarrow", "torch", "lexel.data")
    code = f"import sys, lexel.cli.app; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_output_is_buffered_even_where_a_container_says_otherwise() -> None:
    code = (
        "import sys; from lexel.cli.terminal.messages import have_output_buffered as buffer; "
        "buffer(); print(type(sys.stdout.buffer).__name__)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert said == "BufferedWriter\n"


def processor_s(*command: str) -> float:
    """Processor time of a command, the best of three."""

    def measured() -> Iterator[float]:
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            yield after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return min(measured())


def test_help_and_import_are_quick() -> None:
    bare = processor_s(sys.executable, "-c", "pass")
    assert processor_s(sys.executable, "-c", "import lexel") - bare < 2 * IMPORT_S
    assert processor_s(*COMMAND, "--help") < 2 * HELP_S


def test_progress_knows_how_much_of_the_files_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 200_000)
    (tmp_path / "b.txt").write_bytes(b"b" * 100)
    files = InputFiles([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    assert files.total_bytes == 200_100
    with files.open(str(tmp_path / "a.txt")) as source:
        assert isinstance(source, io.FileIO)
        source.read()
        assert 0 < files.read_bytes < 200_000
        while source.read():
            pass
    with files.open(str(tmp_path / "b.txt")):
        assert files.read_bytes == 200_000


@pytest.mark.parametrize("place", ["-", "a.txt.gz", "a.parquet", "no.txt"])
def test_progress_does_not_guess_sizes(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt.gz", "a.parquet"):
        (tmp_path / name).write_bytes(b"x")
    assert InputFiles([place]).total_bytes is None


def test_an_option_without_a_default_must_be_given() -> None:
    @options.grouped
    def command(*, measure: Needed) -> None:
        raise AssertionError

    assert inspect.signature(command).parameters["data"].default is inspect.Parameter.empty
