"""``lexel models``: what is at hand."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.terminal.messages import is_terminal, note, reported

_WIDE_COLUMNS, _SHORT_COMMIT = 118, 10


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model at hand."""

    id: str
    commit: str | None
    bytes: int
    licence: str | None
    heads: dict[str, str]
    int8: bool
    folder: str
    problem: str | None = None


@grouped
def models(*, messages: MessageOptions) -> None:
    """List the models that are at hand without a download.

    These are the bundled one, and those of the BERT family in the hub's
    cache. On a terminal they are a table; into a pipe go JSON lines, with
    the whole commit and the folder.

    [dim]Which commits to pin:[/]
    [bold]lexel models | jq -r '[.id, .commit] | @tsv'[/]
    """
    with reported(messages):
        from lexel.checkpoint.hub_cache import cache_folder

        listed, n_others = _list_models()
        if is_terminal(sys.stdout):
            _show_table(listed)
        else:
            for model in listed:
                print(json.dumps(asdict(model), ensure_ascii=False))
        are = "other in it is" if n_others == 1 else "others in it are"
        others = f"; {n_others} {are} not of the BERT family" if n_others else ""
        note(f"cache: {cache_folder()}{others}")


def _list_models() -> tuple[list[_Listed], int]:
    """The models that Lexel can read, and how many others the cache holds."""
    from lexel.checkpoint.hub_cache import cached_models
    from lexel.checkpoint.source import BUNDLED, bundled_folder

    found: list[_Listed | None] = []
    if (bundled_folder() / "config.json").is_file():
        found.append(_look_at(bundled_folder(), BUNDLED))
    found += [_look_at(model.folder, model.repo_id, commit=model.commit) for model in cached_models()]
    listed = [model for model in found if model is not None]
    return listed, len(found) - len(listed)


def _look_at(folder: Path, id: str, *, commit: str | None = None) -> _Listed | None:
    """What a folder holds; nothing if Lexel does not compute such a model."""
    from lexel.checkpoint.card import read_card
    from lexel.checkpoint.config import read_config
    from lexel.checkpoint.heads import read_heads
    from lexel.errors import CheckpointError, LabelError

    try:
        config = read_config(folder)
    except CheckpointError:
        return None
    heads, has_int8, problem = {}, False, None
    try:
        found = read_heads(folder, config, repo_id=None if commit is None else id)
        heads = {head.name: str(head.task) for head in found.heads.values()}
        has_int8 = found.quantised is not None
    except (CheckpointError, LabelError) as error:
        problem = str(error)
    return _Listed(id, commit, _size(folder), read_card(folder).licence, heads, has_int8, str(folder), problem)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _show_table(listed: list[_Listed]) -> None:
    from rich.table import Table

    from lexel.cli.terminal.console import output_console

    console = output_console()
    commit_columns = 40 if console.width >= _WIDE_COLUMNS else _SHORT_COMMIT
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("model", "left"), ("commit", "left"), ("size", "right"), ("licence", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=name != "licence")
    table.add_column("heads")
    for model in listed:
        commit = "bundled" if model.commit is None else model.commit[:commit_columns]
        size = _megabytes(model.bytes) + (", int8" if model.int8 else "")
        table.add_row(model.id, commit, size, model.licence or "not stated", _heads(model))
    console.print(table)


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _heads(model: _Listed) -> str:
    if model.problem:
        return "labels unclear: see --scheme, --labels"
    return ", ".join(model.heads) or "none"
