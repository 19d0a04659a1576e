"""HTML pages from Jinja templates, which lie next to the code that fills them; all values are escaped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def fill_template(package: str, name: str, **values: Any) -> Iterator[str]:
    """Fill a template and return the page in pieces, so that a long page is never held as a whole.

    A template can call ``file("page.css")`` to include a style sheet or a script of its package as it is.

    Args:
        package: The package that holds the template, such as ``lexel.data``.
        name: The template's file name.
        values: What the template can use. Text is escaped; iterators are consumed as the page is written.
    """
    return _environment(package).get_template(name).generate(**values)


@lru_cache
def _environment(package: str) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # takes 30 ms, which only pages should pay
    from markupsafe import Markup

    def read(name: str) -> str:
        return resources.files(package).joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["file"] = lambda name: Markup(read(name))
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment
