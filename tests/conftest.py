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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """``make test-clients`` installs what its tests need, so there a test that is skipped is a failure."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if "LEXEL_TEST_CLIENTS" in os.environ and terminal and terminal.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def quiet_loggers(caplog: pytest.LogCaptureFixture) -> None:
    """Undo what a command did to the package's loggers, and a library to the handlers that it found on the root logger.

    ``caplog`` has one handler for the whole run, and was found at the level of errors.
    """
    caplog.handler.setLevel(logging.NOTSET)
    for name in ("lexel", "lexel.serving"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = True, []
        logger.setLevel(logging.NOTSET)
