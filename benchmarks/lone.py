"""A lone short text: processor time of one call of the bundled model, and how much of it is Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lexel
from benchmarks.measure import Series
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from lexel.engines.base import Rows
from lexel.engines.openvino import inputs_of
from lexel.tasks.base import Block

TITLE = "A lone short text, one thread"
TEXT = "她在台北市政府工作。"
CALL, REQUEST, PYTHON = "a call of the bundled model", "its request to OpenVINO alone", "the difference: Python"
CALLS = 50
UNIT = "ms"


@dataclass(frozen=True, slots=True)
class _Lone:
    """The ways to read the text."""

    tagger: Any
    request: Any
    inputs: Any

    @classmethod
    def load(cls) -> _Lone:
        tagger = lexel.load(threads=1)
        (flow,) = tagger.flows
        (batch,) = flow.batches([flow.prepare(Block([TEXT]))])
        rows: Rows = batch.rows
        tagger(TEXT)  # compiles the graph
        return cls(tagger, flow.engine.own.new_request(flow.outputs), inputs_of(rows))

    def call(self) -> None:
        self.tagger(TEXT)

    def ask(self) -> None:
        self.request.start_async(self.inputs, share_inputs=True)
        self.request.wait()


def measure_lone(setting: Setting) -> Part:
    """Milliseconds of processor time a call, in turns with the request alone."""
    lone = _Lone.load()
    found: dict[str, list[float]] = {CALL: [], REQUEST: [], PYTHON: []}
    for way in (lone.call, lone.ask):
        _processor_ms(way)
    for _ in range(setting.sizes.repetitions):
        call, request = _processor_ms(lone.call), _processor_ms(lone.ask)
        for name, value in zip(found, (call, request, call - request), strict=True):
            found[name].append(value)
    notes = [f"{len(TEXT)} characters; the mean of {CALLS} calls each time, all threads of the process together"]
    return Part(TITLE, [Row(name, Series(tuple(values)), UNIT) for name, values in found.items()], (), notes)


def _processor_ms(way: Callable[[], None]) -> float:
    begin = time.process_time()
    for _ in range(CALLS):
        way()
    return 1000 * (time.process_time() - begin) / CALLS
