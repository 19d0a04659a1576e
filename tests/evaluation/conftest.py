"""A model that computes nothing, gold documents, and reports of one on the other."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from lexel.document import Document, Spans, Words
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.tasks.tag import Tagger
from tests.builders import CHARS, ENTITIES, POS, WORDS, build_tagger, fake_tagger

Measure = Callable[..., Results]
Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())"]
CHROMIUM = shutil.which("chromium")
SWITCHES = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: opens a page in chromium; runs where chromium is on PATH")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="no chromium on PATH; install Debian's package chromium"))


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Callable[[Path], Page]]:
    """Open a file in a browser with a new profile; what the page's scripts throw is an error of the test."""
    thrown: list[str] = []

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=SWITCHES.split(), headless=True
        )

        def opened(path: Path) -> Page:
            page = context.new_page()
            page.on("pageerror", lambda error: thrown.append(str(error)))
            page.goto(path.as_uri())
            return page

        yield opened
        context.close()
    assert thrown == []


@pytest.fixture(scope="session")
def lexel_command() -> Run:
    """Run ``lexel``, on the engine that starts fastest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEXEL_")}
    environment |= {"LEXEL_ENGINE": "numpy", "NO_COLOR": "1"}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        line = [*COMMAND, *map(str, arguments)]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of all three layers, that reads characters."""
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    return build_tagger(tmp_path_factory.mktemp("models") / "joint", heads=heads, pieces="chars")


@pytest.fixture(scope="session")
def tagger(folder: Path) -> Tagger:
    """Reads with random scores, the same for a character wherever it stands."""
    return fake_tagger(folder)


@pytest.fixture
def measure(tagger: Tagger) -> Measure:
    """Evaluate on documents, with few samples."""

    def run(documents: Sequence[Document], *, tagger: Tagger = tagger, **options: Any) -> Results:
        return evaluate(tagger, documents, options=EvaluationOptions(**{"sampling": Sampling(50), **options}))

    return run


def random_gold(n_documents: int, *, seed: int = 0, longest: int = 40) -> list[Document]:
    """Documents of random characters with random words, tags and entities."""
    random = np.random.default_rng(seed)
    return [_random_document(i, random, longest) for i in range(n_documents)]


def _random_document(number: int, random: np.random.Generator, longest: int) -> Document:
    n_chars = int(random.integers(0, longest))
    text = "".join(CHARS[i] for i in random.integers(len(CHARS), size=n_chars))
    cuts = [0, *(np.flatnonzero(random.random(max(n_chars - 1, 0)) < 0.6) + 1).tolist(), n_chars] if n_chars else []
    words = list(itertools.pairwise(cuts))
    pos = [POS[i] for i in random.integers(len(POS), size=len(words))]
    entities = [(start, end, ("PER", "LOC")[i % 2]) for i, (start, end) in enumerate(words) if random.random() < 0.3]
    return Document(text, Words.of(text, words, pos), Spans.of(text, entities), id=f"d{number}")
