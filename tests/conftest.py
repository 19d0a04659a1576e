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
def quiet_loggers(caplog: pytest.LogCaptureFixture) -> None:
    """Undo what a command or a library did to logging in this process; ``caplog`` hears the package at first hand.

    Its handler stands on the package's logger itself, so no library that rearranges the root logger comes between.
    """
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.split(".")[0] == "lexel" and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate, logger.handlers, logger.filters = False, True, [], []
            logger.setLevel(logging.NOTSET)
    package = logging.getLogger("lexel")
    package.propagate, package.handlers = False, [caplog.handler]
