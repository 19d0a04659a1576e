"""What every test runs under: no network, reproducible examples, two threads at most in other libraries."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("lexel", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lexel")


@pytest.fixture(autouse=True)
def quiet_loggers() -> None:
    """Undo what a command that ran in this process did to the package's loggers."""
    for name in ("lexel", "lexel.serving"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = True, []
        logger.setLevel(logging.NOTSET)
