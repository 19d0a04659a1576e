"""Processes that share a machine do not crowd on one core."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import pytest

import lexel
from lexel.engines.choose import available_threads


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif(available_threads() < 2, reason="there is only one core")
def test_an_engine_with_a_part_of_the_cores_is_bound_to_none() -> None:
    tagger = lexel.load("zh", threads=1, engine="openvino")
    seen: set[frozenset[int]] = set()
    is_over = threading.Event()

    def look() -> None:
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
    assert seen == {frozenset(os.sched_getaffinity(0))}
