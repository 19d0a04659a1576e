"""A thousand broken folders: each is read, or refused in one line, in a bounded process."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.fuzz import folders
from tests.fuzz.folders import Guard, break_folder, run_cases


@pytest.mark.skipif(not hasattr(folders.resource, "RLIMIT_AS"), reason="memory cannot be bounded here")
def test_broken_folders_are_read_or_refused_and_nothing_else_happens() -> None:
    outcomes = list(run_cases(seed=12, n_cases=1_000))
    faults = [outcome for outcome in outcomes if outcome.kind not in ("read", "refused")]
    assert faults == []
    counts = Counter(outcome.kind for outcome in outcomes)
    assert counts["refused"] > 500
    assert counts["read"] > 50


def test_a_seed_makes_the_same_cases_everywhere() -> None:
    good = {"tagger": {"config.json": b'{"model_type": "bert", "vocab_size": 9}', "vocab.txt": b"a\nb\n"}}
    first, second = ([break_folder(Random(i), good) for i in range(50)] for _ in range(2))
    assert first == second
    assert len({str(changed) for _, changed in first}) > 40


def test_the_guard_sees_what_reading_must_not_do(tmp_path: pytest.TempPathFactory) -> None:
    guard = Guard.__new__(Guard)  # without the hook, which could not be taken off
    guard.place, guard.is_watching, guard.seen = str(tmp_path), True, []
    guard._see("exec", ("code",))
    guard._see("os.system", (b"touch x",))
    guard._see("socket.connect", ("host",))
    guard._see("open", ("/home/a", "w", folders.os.O_WRONLY))
    guard._see("open", ("/etc/passwd", "r", 0))
    guard._see("open", (f"{tmp_path}/a", "w", folders.os.O_WRONLY))
    guard._see("open", ("/usr/lib/a", "r", 0))
    assert len(guard.seen) == 5
