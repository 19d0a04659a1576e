"""The text that a quantised graph's ranges are found on, as texts and as packed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lexel.checkpoint import Checkpoint
from lexel.engines.base import Rows
from lexel.engines.fake import FakeEngine
from lexel.errors import DataError
from lexel.tasks.base import Flow, gather_blocks
from lexel.text.char_tokenizer import CharTokenizer
from lexel.text.pieces import Tokenizer

CALIBRATION_BATCHES = 24
"""Most batches of packed rows that calibration looks at; ranges hardly move with more."""

_PICKS = 128
"""Picks of a batch that calibration looks at; the heads are small beside the encoder."""

_MOST_UNKNOWN = 0.2


def sample_text() -> list[str]:
    """Some hundred sentences in eight languages, for those who give no calibration text."""
    path = Path(__file__).with_name("calibration.txt")
    return path.read_text(encoding="utf-8").splitlines()


def read_calibration(checkpoint: Checkpoint, texts: Sequence[str] | None, *, is_needed: bool) -> list[str]:
    """The text to calibrate on: what a caller gives, else what the model reads of the sample.

    Args:
        checkpoint: The model.
        texts: What a caller gives.
        is_needed: Whether the sample must hold text that the model reads.

    Raises:
        DataError: If the text is empty, or of a script that the model does not read.
    """
    tokenizer = _flow(checkpoint).tokenizer
    if texts is None:
        known = [text for text in sample_text() if _unknown_share([text], tokenizer) <= _MOST_UNKNOWN]
        if is_needed and not known:
            raise DataError(
                "calibration: the model reads no script of the bundled sample; expected text that it reads. Give some "
                "by --calibration, or quantise without by --dynamic"
            )
        return known
    if not any(text.strip() for text in texts):
        raise DataError("calibration: the text is empty; expected a few hundred sentences like those to be read")
    share = _unknown_share(texts, tokenizer)
    if share > _MOST_UNKNOWN:
        raise DataError(
            f"calibration: {share:.0%} of its pieces are unknown to the model; expected text of a script that it "
            "reads. Give other text"
        )
    return list(texts)


def _unknown_share(texts: Sequence[str], tokenizer: Tokenizer) -> float:
    """Which part of the pieces of texts are unknown ones."""
    if isinstance(tokenizer, CharTokenizer):  # to which blanks are unknown pieces
        texts = ["".join(text.split()) for text in texts]
    unknown, ids = tokenizer.special.unk, tokenizer.encode(texts).ids
    return 0.0 if unknown is None or not len(ids) else float(np.mean(ids == unknown))


def calibration_batches(checkpoint: Checkpoint, texts: Sequence[str]) -> list[Rows]:
    """Some packed rows of the text, with as few empty slots as can be: their numbers are not those of text."""
    flow = _flow(checkpoint)
    works = (flow.prepare(block) for block in gather_blocks(texts))
    rows = [batch.rows for work in works for batch in flow.batches([work], fills_up=False)]
    every = max(1, -(-len(rows) // CALIBRATION_BATCHES))
    return [replace(some, picks=some.picks[:_PICKS]) for some in rows[::every]]


def _flow(checkpoint: Checkpoint) -> Flow:
    """A flow that only prepares."""
    return Flow("calibration", checkpoint, FakeEngine({}), outputs=[f"hidden.{checkpoint.config.n_layers}"])
