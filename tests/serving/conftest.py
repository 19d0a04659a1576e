"""One server for most tests: the bundled model, a tiny one with every head, and a tiny one that tells entailment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.classify.conftest import NLI, build_classifier
from tests.heads.test_joint_folder import build_joint
from tests.serving.live import LiveServer, serving


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options that name the models."""
    joint, nli = tmp_path_factory.mktemp("joint"), tmp_path_factory.mktemp("nli")
    build_joint(joint)
    build_classifier(nli, NLI)
    return ["-m", "zh", "-m", f"joint={joint}", "-m", f"nli={nli}"]


@pytest.fixture(scope="session")
def server(models: list[str]) -> Iterator[LiveServer]:
    """A live server."""
    with serving(*models) as live:
        yield live
