"""The documentation site builds without a warning, needs nothing from elsewhere, and its reference is complete."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lexel

ROOT = Path(__file__).parents[2]
REFERENCE = {path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/reference/*.md"))}
ENTRIES = re.findall(r"^::: (\S+)\n    options:\n      heading: (\S+)$", "\n".join(REFERENCE.values()), re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly."""
    pytest.importorskip("mkdocs", reason="the documentation group is not installed")
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    variables = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in ROOT.glob("docs/**/*.md")]
    assert [page for page in pages if not (site / page).exists()] == []
    assert all((site / f"{name}.html").exists() for name in ("changelog", "contributing", "bundled-model"))


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r"<(?:script|img|iframe)[^>]* src=\"(https?:)?//|<link[^>]* rel=\"(?:stylesheet|preconnect)\"[^>]*https?:"
    )
    assert [page.name for page in site.glob("**/*.html") if loaded.search(page.read_text(encoding="utf-8"))] == []


def test_the_reference_has_every_public_name() -> None:
    public = {f"lexel.{name}" for name in lexel.__all__ if name != "__version__"}
    assert public - {heading for _, heading in ENTRIES} == set()


@pytest.mark.parametrize(("path", "heading"), ENTRIES, ids=[heading for _, heading in ENTRIES])
def test_a_heading_of_the_reference_can_be_imported(path: str, heading: str) -> None:
    if "integrations" in path:
        pytest.importorskip("presidio_analyzer")
    assert named(heading) == named(path)


def named(path: str) -> object:
    """The object of a dotted path: the longest part that is a module, and attributes of it."""
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for name in parts[n:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


def test_chinese_pages_say_that_they_are_chinese(site: Path) -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.glob("zh/*.html")}
    assert pages
    assert [name for name, page in pages.items() if '<html lang="zh' not in page or "Table of contents" in page] == []
    assert '<html lang="en"' in (site / "index.html").read_text(encoding="utf-8")


def test_the_search_splits_chinese_text_into_words(site: Path) -> None:
    pytest.importorskip("jieba", reason="the search's index is cut into words by jieba")
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    (page,) = (entry["text"] for entry in index["docs"] if entry["location"] == "zh/index.html")
    assert "zh" in index["config"]["lang"]
    assert "命名" in re.split(index["config"]["separator"], page)
