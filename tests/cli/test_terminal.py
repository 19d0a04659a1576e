"""What a person at a terminal sees, in a pseudo-terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.builders import POS
from tests.cli.conftest import COMMAND

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 80 columns with a command in it."""

    def __init__(self, *arguments: str | Path, environment: dict[str, str], stdout: int | None = None) -> None:
        self._ours, theirs = os.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            env=environment | {"TERM": "xterm-256color"},
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str, *, times: int = 1, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, self.seen
            self._read()

    def end(self) -> int:
        status = self.process.wait(timeout=60)
        while self._read():
            pass
        os.close(self._ours)
        return status

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.2)[0]:
            return False
        try:
            self.seen += os.read(self._ours, 1 << 16).decode(errors="replace")
        except OSError:  # the command has closed its side
            return False
        return True


def test_a_line_typed_is_answered_in_colour(environment: dict[str, str]) -> None:
    terminal = Terminal("tag", environment=environment)
    terminal.wait_for("Ctrl-D ends")
    terminal.type("王小明\n")
    terminal.wait_for("\x1b[0m\r\n\r\n")  # its result is drawn, and a blank line
    terminal.type("\x04")
    assert terminal.end() == 0
    shown = _CODES.sub("", terminal.seen)
    assert '{"' not in shown
    assert any(tag in shown for tag in POS)


def test_progress_is_shown_while_a_file_is_written(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("王小明在北市。\n" * 500, encoding="utf-8")
    terminal = Terminal("tag", tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", environment=environment)
    assert terminal.end() == 0
    shown = _CODES.sub("", terminal.seen)
    assert "100%" in shown
    assert re.search(r"3,500 chars +[\d,]+ chars/s", shown)
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 500


def test_an_interrupt_at_a_terminal_ends_without_a_word(environment: dict[str, str]) -> None:
    terminal = Terminal("segment", "-q", environment=environment)
    terminal.type("我在\n")
    terminal.wait_for("在\r\n", times=2)  # what was typed, and the answer
    time.sleep(0.3)  # it waits for a line by now; Python can lose a signal that comes right before it does
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.seen
    assert "rror" not in terminal.seen
