"""What every test runs under: no network, reproducible examples, two threads at most in other libraries."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("lexel", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lexel")


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """Undo what a command that ran in this process did to the package's loggers."""
    loggers = [logging.getLogger(name) for name in ("lexel", "lexel.serving")]
    before = [(logger.propagate, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (propagate, level, handlers) in zip(loggers, before, strict=True):
        logger.propagate, logger.handlers = propagate, handlers
        logger.setLevel(level)
