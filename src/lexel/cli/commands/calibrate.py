"""``lexel calibrate``: calibrate the scores of a model."""

from __future__ import annotations

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.options.calibrate import Data, Folder, ScriptBorder
from lexel.cli.options.groups import MessageOptions, PlainInputOptions, grouped
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.terminal.messages import note, reported
from lexel.errors import CheckpointError


@grouped
def calibrate(
    *,
    folder: Folder,
    data: Data,
    script_border: ScriptBorder = None,
    input: PlainInputOptions,
    labelled: LabelledOptions,
    messages: MessageOptions,
) -> None:
    """Calibrate a model's scores on labelled data.

    Of predictions with a score of 0.8, four in five should be right. Two
    numbers per head correct the scores, and entities get a minimum score.
    Both are stored in lexel.json. Decoding does not change.

    [dim]Use development data, never the training data:[/]
    [bold]lexel calibrate my-model --data dev.jsonl[/]
    """
    with reported(messages):
        from pathlib import Path

        from lexel.evaluation.calibrate import calibrate_folder, described

        if not Path(folder).is_dir():
            raise CheckpointError(f"{folder}: no such folder; expected a model folder whose lexel.json can be written")
        files = [open_labelled(place, input, labelled) for place in data]
        found = calibrate_folder(folder, files, script_border=script_border)
        for line in described(found):
            note(line)
        note(f"{Path(folder) / 'lexel.json'}: written")
