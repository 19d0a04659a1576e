"""``lexel compare``: compare several models on the same data."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.compare import ComparingOptions, Data, Models
from lexel.cli.options.groups import (
    ComputeOptions,
    MessageOptions,
    PlainInputOptions,
    ReadingOptions,
    TagOptions,
    grouped,
)
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.terminal.messages import note, reported

if TYPE_CHECKING:
    from lexel.data.labelled import LabelledFile
    from lexel.evaluation.compare.child import ChildModel
    from lexel.evaluation.compare.compare import DataSet
    from lexel.evaluation.compare.results import CompareOptions, Comparison

_WIDTH = 120


@grouped
def compare(
    *,
    models: Models,
    data: Data,
    comparing: ComparingOptions,
    labelled: LabelledOptions,
    input: PlainInputOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Compare models on the same labelled data.

    Reports scores with intervals, paired significance tests, speed, memory,
    and where the models disagree.

    [dim]Two models, with an HTML page of their differences:[/]
    [bold]lexel compare my-model zh --data dev.conllu --html compare.html[/]

    [dim]One model on several data sets, in one table:[/]
    [bold]lexel compare my-model -d en.jsonl -d pt.jsonl -d da.jsonl[/]
    """
    with reported(messages):
        if len(models) == 1 and len(data) == 1:
            said = "one model and one file; expected two models, or several files; lexel evaluate scores one model"
            raise typer.BadParameter(said, param_hint="MODELS")
        check_outputs(comparing.out, comparing.html, inputs=data)
        files = [open_labelled(place, input, labelled) for place in data]
        names = short_names(models)
        options = _options(comparing, names, tagging=tagging)
        with ExitStack() as stack:
            loading = _loading(reading, tagging, compute)
            readers = [
                stack.enter_context(_start(model, name, loading)) for model, name in zip(models, names, strict=True)
            ]
            comparison = _compare(readers, files, options)
        _report(comparison, comparing, is_quiet=messages.quiet)


def short_names(models: Sequence[str]) -> list[str]:
    """The names of models: for a folder, its last part, unless two are the same."""
    names = [Path(model).name if Path(model).is_dir() and Path(model).name else model for model in models]
    names = [name if names.count(name) == 1 else model for name, model in zip(names, models, strict=True)]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _options(comparing: ComparingOptions, names: Sequence[str], *, tagging: TagOptions) -> CompareOptions:
    from lexel.data.labelled import read_json_object
    from lexel.evaluation.compare.results import CompareOptions
    from lexel.evaluation.compare.schemes import LabelMap
    from lexel.evaluation.scores.tallies import Sampling

    label_map = LabelMap()
    if comparing.label_map is not None:
        read = read_json_object(comparing.label_map, option="--label-map", example='{"GPE": "LOC", "MISC": null}')
        label_map = LabelMap.of(read, names=names, where=comparing.label_map)
    return CompareOptions(
        label_map=label_map,
        given_words=tagging.given_words,
        against=comparing.against,
        sampling=Sampling(comparing.samples, comparing.seed),
        rounds=comparing.rounds,
        speed_chars=comparing.speed_chars,
    )


def _loading(reading: ReadingOptions, tagging: TagOptions, compute: ComputeOptions) -> dict[str, Any]:
    return {
        **compute.loading,
        "decode": reading.decode,
        "lexicon": reading.lexicon,
        "snap": reading.snap,
        "entities_on_words": tagging.entities_on_words,
        "min_score": tagging.min_score,
    }


def _start(model: str, name: str, loading: dict[str, Any]) -> ChildModel:
    from lexel.evaluation.compare.child import ChildModel

    reader = ChildModel(model, name=name, options=loading)
    described = reader.facts.described
    note(f"{name}: {', '.join(reader.facts.abilities.labels)}; {described['engine']} {described['precision']}")
    return reader


def _compare(readers: Sequence[ChildModel], files: Sequence[LabelledFile], options: CompareOptions) -> Comparison:
    from lexel.evaluation.compare.compare import compare as compare_models

    names = _file_names([file.path for file in files])
    return compare_models(
        readers, [_data_set(file, name) for file, name in zip(files, names, strict=True)], options=options
    )


def _data_set(file: LabelledFile, name: str) -> DataSet:
    from lexel.evaluation.compare.compare import DataSet
    from lexel.evaluation.scores.provenance import describe_data

    return DataSet(name, file.documents, describe_data(file.path, format=file.format.name, fold=file.fold))


def _file_names(places: Sequence[str]) -> list[str]:
    """The names of files: without their endings, unless two are the same."""
    names = [Path(place).name.split(".")[0] or place for place in places]
    return [name if names.count(name) == 1 else place for name, place in zip(names, places, strict=True)]


def _report(comparison: Comparison, comparing: ComparingOptions, *, is_quiet: bool) -> None:

    from lexel.cli.terminal.console import output_console
    from lexel.evaluation.reports.comparison_page import write_page
    from lexel.evaluation.reports.comparison_report import show, write_json

    made = _made(comparison)
    if comparing.out is not None:
        write_json(comparison, comparing.out, made=made)
    if comparing.html is not None:
        write_page(comparison, comparing.html, made=made)
    if not is_quiet:
        console = output_console(width=_WIDTH)
        show(comparison, console, n_examples=comparing.examples)


def _made(comparison: Comparison) -> dict[str, Any]:
    """The provenance of the figures, without models and data."""
    from lexel.evaluation.scores.provenance import describe_command

    options = comparison.options
    return {
        **describe_command(shlex.join(["lexel", *sys.argv[1:]])),
        "options": {
            "against": options.against,
            "given_words": options.given_words,
            "label_map": {**options.label_map.everywhere, **options.label_map.special},
            "n_samples": options.sampling.n_samples,
            "seed": options.sampling.seed,
            "rounds": options.rounds,
            "speed_chars": options.speed_chars,
        },
    }
