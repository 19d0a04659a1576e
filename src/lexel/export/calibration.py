"""The text for calibrating a quantised graph's ranges, as texts and as packed rows."""

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
"""Maximum number of batches for calibration; ranges hardly change with more."""

_PICKS = 128
"""Number of picks per batch for calibration; few are enough, as the heads are small compared with the encoder."""

_MOST_UNKNOWN = 0.2


def sample_text() -> list[str]:
    """A few hundred sentences in eight languages: the default calibration text."""
    path = Path(__file__).with_name("calibration.txt")
    return path.read_text(encoding="utf-8").splitlines()


def read_calibration(checkpoint: Checkpoint, texts: Sequence[str] | None, *, is_needed: bool) -> list[str]:
    """The calibration text: the caller's, else the part of the sample that the model can read.

    Args:
        checkpoint: The model.
        texts: The caller's texts.
        is_needed: Whether it is an error if the model can read none of the sample.

    Raises:
        DataError: If the text is empty, or in a script that the model does not read.
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
    """The share of unknown pieces in texts."""
    if isinstance(tokenizer, CharTokenizer):  # they treat white space as unknown pieces
        texts = ["".join(text.split()) for text in texts]
    unknown, ids = tokenizer.special.unk, tokenizer.encode(texts).ids
    return 0.0 if unknown is None or not len(ids) else float(np.mean(ids == unknown))


def calibration_batches(checkpoint: Checkpoint, texts: Sequence[str]) -> list[Rows]:
    """Packed rows of the text with as few empty slots as possible: values of empty slots are not those of text."""
    flow = _flow(checkpoint)
    works = (flow.prepare(block) for block in gather_blocks(texts))
    rows = [batch.rows for work in works for batch in flow.batches([work], fills_up=False)]
    every = max(1, -(-len(rows) // CALIBRATION_BATCHES))
    return [replace(some, picks=some.picks[:_PICKS]) for some in rows[::every]]


def _flow(checkpoint: Checkpoint) -> Flow:
    """A flow for ``prepare`` only."""
    return Flow("calibration", checkpoint, FakeEngine({}), outputs=[f"hidden.{checkpoint.config.n_layers}"])
