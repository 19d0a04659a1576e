"""What describing says of memory is within a tenth of what a process takes, for five shapes in three precisions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexel.checkpoint import open_checkpoint
from lexel.describe.facts import describe
from lexel.describe.memory import LIBRARIES
from tests.builders import ENTITIES, VOCAB, bert_config, bert_tensors, openvino_has_bf16, write_folder

SHAPES = {
    "3 layers of 256": (3, 256, 30522),
    "6 layers of 512": (6, 512, 21128),
    "4 layers of 768": (4, 768, 21128),
    "12 layers of 384": (12, 384, 30522),
    "2 layers of 1024": (2, 1024, 30522),
}
"""Layers, width and vocabulary; none of them is a shape that the estimate was made from."""
PROGRAM = """
import random, sys, lexel
tagger = lexel.load(sys.argv[1], engine="openvino", precision=sys.argv[2], threads=2)
draw = random.Random(0)
chars = "的一是不在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会天"
texts = ["".join(draw.choice(chars) for _ in range(draw.randint(20, 120))) for _ in range(120)]
assert all(document.text for document in tagger.stream(texts))
lines = open("/proc/self/status", encoding="ascii").read().splitlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")))
libraries = is_library = 0
for line in open("/proc/self/smaps", encoding="utf-8"):
    first, *more = line.split()
    if not first.endswith(":"):
        is_library = len(more) == 5 and (".so" in more[4] or "/python" in more[4])
    elif first == "Rss:" and is_library:
        libraries += int(more[0]) * 1024
print(libraries)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here to read a peak from")


def measured(folder: Path, precision: str) -> int:
    """The most memory that a process took which loaded a model and tagged texts.

    Pages of the libraries' files count as in the estimate: how many a process maps depends on the system's cache.
    """
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), precision], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    peak, libraries = map(int, ran.stdout.split())
    return peak - libraries + LIBRARIES


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make the folder of a shape, once."""
    made: dict[str, Path] = {}

    def folder_of(shape: str) -> Path:
        if shape not in made:
            layers, width, n_pieces = SHAPES[shape]
            config = bert_config(
                vocab_size=n_pieces,
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=width // 64,
                intermediate_size=4 * width,
                max_position_embeddings=512,
                architectures=["BertForTokenClassification"],
                id2label={str(i): label for i, label in enumerate(ENTITIES)},
            )
            vocab = [*VOCAB, *(f"piece{i}" for i in range(n_pieces - len(VOCAB)))]
            folder = tmp_path_factory.mktemp("shape")
            write_folder(folder, config, bert_tensors(config, {"classifier": len(ENTITIES)}), vocab)
            made[shape] = folder
        return made[shape]

    return folder_of


def check(folder: Path, precision: str, *, described: Path) -> None:
    said, found = describe(described).memory[precision], measured(folder, precision)
    assert abs(said / found - 1) < 0.1, f"described {said / 1e6:,.0f} MB, measured {found / 1e6:,.0f} MB"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_is_within_a_tenth(build: Callable[[str], Path], shape: str, precision: str) -> None:
    if precision == "bf16" and not openvino_has_bf16():
        pytest.skip("no bf16 here")
    check(build(shape), precision, described=build(shape))


class NoLoss:
    """In place of the scorer: this test is not about what eight bits cost."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def loss(self, _: Path) -> Any:
        return self

    def cost(self, *_: Any) -> Any:
        return self

    layers = ()

    def is_within(self, *_: float) -> bool:
        return True

    def record(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_in_eight_bits_is_within_a_tenth(build, shape: str, tmp_path: Path, monkeypatch) -> None:
    from lexel.export import quantize as room

    monkeypatch.setattr(room, "Scorer", NoLoss)
    out = tmp_path / "int8"
    room.quantize(open_checkpoint(build(shape)), out, options=room.QuantizeOptions(method="dynamic"))
    check(out, "int8", described=build(shape))
