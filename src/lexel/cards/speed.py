"""Measures a model's speed and memory use on this machine, in a short run in a separate process.

The process is separate because memory is counted per process, and training has used far more.
"""

from __future__ import annotations

import json
import logging
import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

from lexel.errors import LexelError

_logger = logging.getLogger("lexel")
SECONDS = 1.0
"""Approximate duration of the measurement."""

_N_TEXTS, _TEXT_CHARS, _TIMEOUT_S = 200, 40, 300


@dataclass(frozen=True, slots=True)
class Speed:
    """The measured values.

    Attributes:
        chars_per_second: Characters per second, with all layers.
        texts_per_second: Texts per second.
        load_seconds: Time from the call until the model is ready.
        peak_bytes: Peak memory of the process, including Python and libraries; ``None`` if the system has no count.
        mean_chars: Mean length of the texts.
        engine: The engine, with its precision, device and threads.
        texts: A description of the texts.
    """

    chars_per_second: float
    texts_per_second: float
    load_seconds: float
    peak_bytes: int | None
    mean_chars: float
    engine: str
    texts: str


def measure_speed(folder: Path, texts: Sequence[str], *, of: str) -> Speed | None:
    """Measure a tagging model in a separate process.

    Args:
        folder: The model.
        texts: The texts to read repeatedly.
        of: A description of the texts, for the card.

    Returns:
        The measured values; ``None``, with a warning that gives the reason, if the model cannot run here.
    """
    if not any(texts):
        return None
    command = [sys.executable, "-c", "from lexel.cards.speed import main; main()", str(folder), of]
    try:
        done = subprocess.run(
            command, input=json.dumps(list(texts)), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    else:
        if done.returncode == 0:
            return Speed(**json.loads(done.stdout.splitlines()[-1]))
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    _logger.warning("speed and memory were not measured, so the card does not have them: %s", why)
    return None


def made_up_texts(folder: Path) -> list[str]:
    """Texts of random words from a model's vocabulary, always the same; empty if the vocabulary is hard to read."""
    words = [word for word in _vocabulary(folder) if word.isalpha()]
    if not words:
        return []
    draw = random.Random(42)
    return ["".join(_until(draw, words)) for _ in range(_N_TEXTS)]


def _until(draw: random.Random, words: Sequence[str]) -> Iterator[str]:
    n_chars = 0
    while n_chars < _TEXT_CHARS:
        word = draw.choice(words)
        said = f"{word} " if word.isascii() else word
        n_chars += len(said)
        yield said


def _vocabulary(folder: Path) -> list[str]:
    try:
        if (folder / "vocab.txt").is_file():
            return (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        return [str(piece[0] if isinstance(piece, list) else piece).strip("▁Ġ") for piece in model["vocab"]]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return []


# In the separate process ---------------------------------------------------------------------------------------------


def main() -> None:
    """Measure the model in the folder of the first argument on texts from standard input; print the result as JSON."""
    texts = json.load(sys.stdin)
    try:
        print(json.dumps(asdict(_run(sys.argv[1], texts, of=sys.argv[2]))))
    except LexelError as error:
        sys.exit(str(error))


def _run(folder: str, texts: list[str], *, of: str) -> Speed:
    from lexel.checkpoint import open_checkpoint
    from lexel.engines.choose import describe
    from lexel.tasks.tag import Tagger

    began = perf_counter()
    tagger = Tagger.load(open_checkpoint(folder, is_own=True))
    loaded = perf_counter()
    for _ in islice(tagger.stream(texts), 64):  # warm-up
        pass
    start, n_texts = perf_counter(), 0
    while perf_counter() - start < SECONDS:
        n_texts += sum(1 for _ in tagger.stream(texts))
    seconds = perf_counter() - start
    mean = sum(map(len, texts)) / len(texts)
    engine = "; ".join(describe(flow.engine) for flow in tagger.flows)
    rate = n_texts / seconds
    return Speed(rate * mean, rate, loaded - began, _peak_bytes(), mean, engine, of)


def _peak_bytes() -> int | None:
    """Peak memory of this process; Linux's ``ru_maxrss`` would also count the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    if platform.system() != "Darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
