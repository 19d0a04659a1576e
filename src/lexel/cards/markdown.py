"""Markdown that shows text literally, whatever characters it contains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")
_LONG_TABLE = 12


def text(value: object) -> str:
    """One line of text with all markup escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def code(value: object) -> str:
    """Text formatted as code; it may contain backticks."""
    line = " ".join(str(value).split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    padded = f" {line} " if line.startswith("`") or line.endswith("`") else line
    return f"{fence}{padded}{fence}"


def cell_code(value: object) -> str:
    """Code in a table, with bars escaped, because they would end the cell."""
    return code(value).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[str] = ()) -> str:
    """A table of Markdown cells; empty columns are left out.

    Args:
        head: Names of the columns.
        rows: The cells.
        numbers: The columns to align right.
    """
    body = [list(row) for row in rows]
    kept = [i for i in range(len(head)) if any(row[i] for row in body)]
    right = set(numbers)
    lines = [
        [head[i] for i in kept],
        ["---:" if head[i] in right else "---" for i in kept],
        *([row[i] for i in kept] for row in body),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def folded(summary: str, body: str) -> str:
    """A part that unfolds on a click."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def long_table(summary: str, made: str) -> str:
    """A table, folded if it is long."""
    return folded(summary, made) if made.count("\n") > _LONG_TABLE else made


def bullets(lines: Iterable[str]) -> str:
    """A bulleted list; empty without lines."""
    return "\n".join(f"- {line}" for line in lines)


def console(*commands: str) -> str:
    """Commands in a console block."""
    return "```console\n" + "\n".join(f"$ {command}" for command in commands) + "\n```"


def paragraphs(*parts: str | None) -> str:
    """The non-empty parts, separated by blank lines."""
    return "\n\n".join(part for part in parts if part)
