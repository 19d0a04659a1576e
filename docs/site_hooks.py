"""Hooks of the documentation site: pages that live outside ``docs/``, links to them, and the language of a page.

``CHANGELOG.md``, ``CONTRIBUTING.md`` and the card of the bundled model are pages of the site, too. A link to another
file of the repository, which the site does not have, becomes its text. Pages in ``zh/`` say that they are Chinese, so
that browsers choose Chinese forms of the characters and screen readers read them as Chinese.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CARD = ROOT / "src" / "lexel" / "models" / "zh"
OUTSIDE = {
    ROOT / "CHANGELOG.md": "changelog.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    CARD / "README.md": "bundled-model.md",
    CARD / "reliability.svg": "reliability.svg",
    CARD / "training.svg": "training.svg",
}
"""Files outside ``docs/``, with their places on the site."""
CHINESE = {
    '<html lang="en"': '<html lang="zh-Hans"',
    "Table of contents": "目录",
    "Skip to content": "跳到正文",
    "Back to top": "回到顶部",
}
"""What the theme says on a page in English, and what a Chinese page says."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s#]+)(#[^()\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside ``docs/``."""
    for path, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the site's own pages."""
    source = Path(page.file.abs_src_path or DOCS / page.file.src_uri).parent

    def relinked(link: re.Match[str]) -> str:
        mark, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        path = Path(os.path.normpath(source / target))
        if "://" in target or not path.exists():
            return link[0]  # a missing file is an error of the strict build
        if path not in OUTSIDE and not path.is_relative_to(DOCS):
            return text
        place = OUTSIDE.get(path) or path.relative_to(DOCS).as_posix()
        return f"{mark}[{text}]({os.path.relpath(place, Path(page.file.src_uri).parent)}{anchor})"

    return _LINK.sub(relinked, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Make the theme's own words on a Chinese page Chinese."""
    if page.file.src_uri.startswith("zh/"):
        for english, chinese in CHINESE.items():
            output = output.replace(english, chinese)
    return output
