"""``lexel quantize``: quantize a model to eight bits, and measure the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.options.groups import MessageOptions, PlainInputOptions, Revision, grouped
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.options.quantize import Calibration, Data, Dynamic, MaxDrop, MaxFlips, WeightsOnly
from lexel.cli.terminal.messages import note, reported
from lexel.errors import DataError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from lexel.checkpoint import Checkpoint


@grouped
def quantize(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a hub id.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The new folder; it must not exist.")],
    calibration: Calibration = None,
    data: Data = None,
    max_drop: MaxDrop = 0.2,
    max_flips: MaxFlips = 30.0,
    dynamic: Dynamic = False,
    weights_only: WeightsOnly = False,
    revision: Revision = None,
    input: PlainInputOptions,
    labelled: LabelledOptions,
    messages: MessageOptions,
) -> None:
    """Quantize a model to eight bits.

    The new folder loads like any other, and precision auto uses int8 from
    it. The loss of accuracy is measured and stored; if it is too large, the
    command fails.

    [dim]Calibrate on your text, measure on your labels:[/]
    [bold]lexel quantize my-model my-model-int8 --calibration some.txt --data dev.jsonl[/]
    """
    with reported(messages):
        from pathlib import Path

        from lexel.evaluation.cost.cost import described_quantised
        from lexel.export.quantize import QuantizeOptions
        from lexel.export.quantize import quantize as quantize_checkpoint
        from lexel.tasks.loading import load_checkpoint

        if weights_only:
            if calibration or data or dynamic:
                raise OptionError(
                    "--weights-only: cannot be combined with --calibration, --data or --dynamic; leave them out"
                )
            _compress(load_checkpoint(model, revision=revision), Path(out))
            return
        texts = None if calibration is None else _texts(calibration, encoding=input.encoding)
        gold = [] if data is None else list(open_labelled(data, input, labelled).documents())
        cost = quantize_checkpoint(
            load_checkpoint(model, revision=revision),
            Path(out),
            calibration=texts,
            gold=gold,
            options=QuantizeOptions(max_drop=max_drop, max_flips=max_flips, method="dynamic" if dynamic else "static"),
        )
        for line in described_quantised(cost):
            note(line)
        note(f"{out}: written; precision auto computes it in int8")


def _compress(checkpoint: Checkpoint, out: Path) -> None:
    from lexel.checkpoint.weights import weight_checksums
    from lexel.export.compress import compress

    folder = checkpoint.source.folder
    compress(folder, out, origin=checkpoint.source.repo_id)
    before, after = (sum((place / name).stat().st_size for name in weight_checksums(place)) for place in (folder, out))
    note(f"{out}: written; weights of {after / 1e6:,.1f} MB, from {before / 1e6:,.1f} MB")


def _texts(place: str, *, encoding: str) -> list[str]:
    """The texts of a file in any format, without blank ones."""
    from lexel.data import by_ending

    reader = by_ending(place).reader
    if reader is None:
        raise DataError(f"{place}: can only be written; expected text, such as one sentence per line in .txt")
    return [document.text for document in reader(place, encoding=encoding) if document.text.strip()]
