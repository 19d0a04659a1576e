"""Processes that share a machine do not crowd on one core."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lexel.engines.choose import available_threads

# In a process of its own: engines of other tests, made for all cores, bind threads of theirs.
PROGRAM = """
import os, threading
from contextlib import suppress
import lexel

tagger = lexel.load("zh", threads=1, engine="openvino")
seen = set()
is_over = threading.Event()

def look():
    while not is_over.is_set():
        for name in os.listdir("/proc/self/task"):
            with suppress(OSError):  # the thread has ended
                seen.add(frozenset(os.sched_getaffinity(int(name))))

watch = threading.Thread(target=look)
watch.start()
try:
    list(tagger.stream(["他在北京。" * 20] * 100))
finally:
    is_over.set()
    watch.join()
assert seen == {frozenset(os.sched_getaffinity(0))}, seen
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif(available_threads() < 2, reason="there is only one core")
def test_an_engine_with_a_part_of_the_cores_is_bound_to_none() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
