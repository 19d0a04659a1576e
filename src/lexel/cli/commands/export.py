"""``lexel export``: export a model for other programs, and compare the result with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.options.export import Check, Data, HeadName, Joint, MaxDrop, MaxFlips, Precision, To
from lexel.cli.options.groups import MessageOptions, PlainInputOptions, Revision, grouped
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.terminal.messages import note, reported
from lexel.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


@grouped
def export(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a hub id.")],
    out: Annotated[
        str | None, typer.Argument(metavar="OUT", help="The new folder; with --check, an exported one.")
    ] = None,
    to: To = "onnx",
    head: HeadName = None,
    joint: Joint = False,
    precision: Precision = "float32",
    max_flips: MaxFlips = 30.0,
    data: Data = None,
    max_drop: MaxDrop = 0.2,
    check: Check = False,
    revision: Revision = None,
    input: PlainInputOptions,
    labelled: LabelledOptions,
    messages: MessageOptions,
) -> None:
    """Export a model to other formats and runtimes, such as ONNX Runtime.

    Each file is run and compared with the model before the folder appears.
    A model with several heads gets one folder per head.

    [dim]In two precisions:[/]
    [bold]lexel export my-model my-model-onnx --precision float32,int8[/]
    [dim]The cost of int8 on your labels, as by lexel quantize:[/]
    [bold]lexel export my-model my-model-onnx --precision int8 --data dev.jsonl[/]
    [dim]Check a folder again (of your own model: MODEL FOLDER --check):[/]
    [bold]lexel export my-model-onnx --check[/]
    [dim]For transformers, and for OpenVINO without Lexel:[/]
    [bold]lexel export my-model my-model-plain --to torch,openvino[/]
    """
    with reported(messages):
        from pathlib import Path

        from lexel.export.folder import check_export, export_model, model_of

        if out is None and not check:
            raise OptionError("OUT: not given; expected the new folder. Name it: lexel export MODEL OUT")
        folder = Path(out or model)
        if check:
            if head is not None:
                raise OptionError("--check: compares every head of the folder; leave --head out")
            _tell(check_export(model if out else model_of(folder), folder, revision=revision))
            note(f"{folder}: checked")
            return
        records = export_model(
            model,
            folder,
            to=to.split(","),
            joint=joint,
            head=head,
            precisions=precision.split(","),
            max_flips=max_flips,
            max_drop=max_drop,
            gold=[] if data is None else list(open_labelled(data, input, labelled).documents()),
            revision=revision,
        )
        _tell(records)
        note(f"{folder}: written as {to}")


def _tell(records: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each graph: its size, and its difference from the model."""
    for name, record in records.items():
        for precision, graph in (record["graphs"] | record["formats"]).items():
            note(
                f"{name}, {precision}: {graph['bytes'] / 1e6:,.1f} MB; differs by {graph['largest']:.1g} at most "
                f"(of {graph['scale']:.3g}), {graph['changed']:.1f} of 1,000 decisions differ"
            )
            for line in graph.get("report", ()):
                note(f"  {line}")
