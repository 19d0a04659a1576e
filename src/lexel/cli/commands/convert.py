"""``lexel convert``: convert weights to ``model.safetensors``."""

from __future__ import annotations

from typing import Annotated

import typer

from lexel.cli.options.groups import MessageOptions, Revision, grouped
from lexel.cli.terminal.messages import note, reported


@grouped
def convert(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a hub id.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The new folder; it must not exist.")],
    revision: Revision = None,
    messages: MessageOptions,
) -> None:
    """Convert the weights of a model to safetensors.

    It reads pytorch_model.bin, flax_model.msgpack and tf_model.h5, and runs
    no code of the checkpoint. The last two need the extra convert.

    [dim]A model from the hub, into a new folder:[/]
    [bold]lexel convert ckiplab/bert-base-chinese-ws ckip-ws[/]
    """
    with reported(messages):
        from pathlib import Path

        from lexel.checkpoint.convert import convert as convert_folder
        from lexel.checkpoint.source import fetch

        source = fetch(model, revision=revision)
        folder = convert_folder(source.folder, Path(out))
        size = (folder / "model.safetensors").stat().st_size
        note(f"{folder}: written, weights of {size / 1e6:,.1f} MB")
