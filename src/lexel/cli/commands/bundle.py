"""``lexel bundle``: pack a model for a machine without a network."""

from __future__ import annotations

from typing import Annotated

import typer

from lexel.cli.options.groups import MessageOptions, Revision, grouped
from lexel.cli.terminal.messages import note, reported


@grouped
def bundle(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a hub id.")],
    out: Annotated[str, typer.Argument(metavar="OUT.tar", help="The archive; it must not exist.")],
    revision: Revision = None,
    messages: MessageOptions,
) -> None:
    """Pack a model for machines without a network.

    The archive holds the model, its lock, and the packages that Lexel needs
    at their versions. It is loaded by its path, and compared with its lock
    each time.

    [bold]lexel bundle dslim/bert-base-NER ner.tar[/]
    [bold]lexel tag -m ner.tar news.txt[/]
    """
    with reported(messages):
        from pathlib import Path

        from lexel.checkpoint.bundle import ENDING, write_bundle
        from lexel.checkpoint.source import fetch
        from lexel.errors import OptionError
        from lexel.locking.make import lock_model
        from lexel.trust.policy import current_policy

        path = Path(out)
        if path.suffix != ENDING:
            raise OptionError(f"{out}: ends in {path.suffix or 'nothing'}; expected a name that ends in {ENDING}")
        source = fetch(model, revision=revision)
        entry = lock_model(source.pin or model, folder=Path.cwd(), policy=current_policy())
        name = (source.repo_id or str(model)).rstrip("/").rpartition("/")[2] or "model"
        write_bundle(source.folder, entry, path, name=name)
        note(f"{path}: written, {path.stat().st_size / 1e6:,.1f} MB")
