"""The page of ``examples/browser`` in Chromium, with the network shut off."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lexel
from lexel.export.folder import export_model
from tests.evaluation.conftest import CHROMIUM, SWITCHES

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[3]
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example as ``setup.sh`` leaves it, served on this machine."""
    folder = tmp_path_factory.mktemp("site") / "browser"
    shutil.copytree(
        ROOT / "examples" / "browser", folder, ignore=shutil.ignore_patterns("node_modules", "vendor", "model")
    )
    export_model(None, folder / "model", joint=True, precisions=("float32", "int8"))
    subprocess.run(["sh", "setup.sh"], cwd=folder, check=True, timeout=300, capture_output=True)
    assert all((folder / "vendor" / name).is_file() for name in FILES)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def page(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page, when the model is loaded; a request to anywhere else is an error."""
    strange: list[str] = []
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, args=SWITCHES.split(), headless=True
        )
        context.on(
            "request",
            lambda request: None if request.url.startswith((site, "data:", "blob:")) else strange.append(request.url),
        )
        opened = context.new_page()
        opened.goto(site)
        opened.locator("#words span").first.wait_for(timeout=60_000)
        context.set_offline(True)
        yield opened
        context.close()
    assert strange == []


def test_words_and_entities_are_those_of_lexel(page: Any, sentences: list[str]) -> None:
    nlp = lexel.load(precision="float32")
    n_entities = 0
    for text in sentences:
        found, document = page.evaluate("text => window.tagger.read(text)", text), nlp(text)
        assert [(word["start"], word["end"]) for word in found["words"]] == [(w.start, w.end) for w in document.words]
        assert [(one["start"], one["end"], one["label"]) for one in found["entities"]] == [
            (span.start, span.end, span.label) for span in document.entities
        ]
        assert [one["score"] for one in found["entities"]] == pytest.approx(
            [span.score for span in document.entities], abs=1e-3
        )
        n_entities += len(document.entities)
    assert n_entities > 20


def test_what_is_typed_is_read(page: Any) -> None:
    page.fill("#text", "小明在北京大学学习。")
    page.locator("#words span", has_text="学习").wait_for()
    assert page.locator("#words mark", has_text="北京").inner_text() == "北京大学ORG"
    assert "entities in" in page.inner_text("#status")
