"""The parts that every report page is put together from; one file, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Control:
    """A field of the form that filters a list.

    Attributes:
        name: What it is called, in the form and beside it.
        how: ``is`` (a choice), ``holds`` (found in the field; ``=X`` asks for the label X), ``most`` (a number) or
            ``any`` (found anywhere).
        field: Which item of a row it looks at.
        width: Size of the input; choices find their own.
        hint: What stands in an empty input.
    """

    name: str
    how: str
    field: int = 0
    width: int = 10
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    Attributes:
        title: Its head.
        field: Which item of a row it shows.
        kind: Its class; ``context`` shows three items, the middle one marked.
        searched: Whether ``any`` looks at it.
    """

    title: str
    field: int
    kind: str = ""
    searched: bool = False


def page(*, title: str, subtitle: str, body: Iterable[str], has_list: bool = True) -> str:
    """A page: a head with the styles, what it is about, the body, and the script that filters its list, if any."""
    return _SURROGATES.sub("\ufffd", "".join(_page(title, subtitle, body, has_list)))


def _page(title: str, subtitle: str, body: Iterable[str], has_list: bool) -> Iterator[str]:
    here = resources.files("lexel.evaluation.reports")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(title)}</title>\n"
    yield f"<style>\n{here.joinpath('page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
    yield f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>\n<main>\n"
    yield from body
    yield "</main>\n"
    if has_list:
        yield f"<script>\n{here.joinpath('page.js').read_text(encoding='utf-8')}</script>\n"
    yield "</body>\n</html>\n"


def section(title: str, *parts: str, name: str = "") -> str:
    """A section; the parts are HTML."""
    at = f' id="{escape(name)}"' if name else ""
    return f"<section{at}><h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n"


def figure(caption: str, body: str) -> str:
    """Something with a caption."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{body}</figure>\n"


def lines(said: Iterable[str]) -> str:
    """Remarks, one below the other."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in said)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers; the first cell of a row names it, and a line end in a cell is one."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>{''.join(f'<td>{_cell(cell)}</td>' for cell in row[1:])}</tr>\n" for row in rows
    )
    return wide("numbers", f"<tr>{top}</tr>", body)


def _cell(cell: str) -> str:
    first, *others = cell.split("\n")
    return escape(first) + "".join(f"<br><small>{escape(other)}</small>" for other in others)


def wide(kind: str, head: str, body: str) -> str:
    """A table that scrolls by itself where the window is narrow; head and body are HTML."""
    return f'<div class="wide"><table class="{kind}"><thead>{head}</thead>\n<tbody>\n{body}</tbody></table></div>\n'


def definitions(made: Mapping[str, Any]) -> str:
    """Names and values, nested as they come; what is empty is left out."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{_value(value)}</dd>\n" for name, value in made.items() if value)
    return f"<dl>{rows}</dl>\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return definitions(value)
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "".join(map(_value, value))
    return escape(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def filtered_list(
    rows: Sequence[Sequence[Any]], *, columns: Sequence[Column], controls: Sequence[Control], about: str
) -> str:
    """A list that a form filters; the page's script draws it, a hundred rows at a time.

    Args:
        rows: What can be shown: for each row its items.
        columns: What is shown of a row.
        controls: What it is filtered by.
        about: What stands above it.
    """
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    head = "".join(
        f'<th data-field="{column.field}" data-kind="{column.kind}"{" data-searched" if column.searched else ""}>'
        f"{escape(column.title)}</th>"
        for column in columns
    )
    form = "\n".join(map(_control, controls))
    return f"""<p>{escape(about)}</p>
<form id="filter">{form}
<button type="reset">clear</button> <output></output></form>
{wide("found", f"<tr>{head}</tr>", "")}<button id="more" type="button">show more</button>
<script type="application/json" id="data">{data}</script>"""


def _control(control: Control) -> str:
    how = f'name="{control.name}" data-how="{control.how}" data-field="{control.field}"'
    if control.how == "is":
        return f'<label>{control.name} <select {how}><option value="">all</option></select></label>'
    kind = {"most": "number", "any": "search"}.get(control.how, "text")
    hint = f' placeholder="{escape(control.hint)}"' if control.hint else ""
    low = ' min="1"' if kind == "number" else ""
    return f'<label>{control.name} <input {how} type="{kind}"{low} size="{control.width}"{hint}></label>'
