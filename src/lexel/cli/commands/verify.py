"""``lexel verify``: check the figures of a model card."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.groups import (
    ComputeOptions,
    InputOptions,
    LabelOptions,
    LayerOptions,
    MessageOptions,
    ModelOptions,
    PlainInputOptions,
    ReadingOptions,
    TagOptions,
    grouped,
)
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.options.named_model import Model, chosen_model
from lexel.cli.options.verify import ClaimOptions, Data, ExactOptions
from lexel.cli.terminal.messages import note, reported
from lexel.cli.terminal.statuses import FAILED
from lexel.names import TAGGING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lexel.checkpoint.heads import Head
    from lexel.evaluation.verify.claims import Claim
    from lexel.evaluation.verify.verify import Labelled, Verification, VerifyOptions
    from lexel.tasks.classify import Classifier
    from lexel.tasks.tag import Tagger

_EXAMPLE = '{"LOCATION": "LOC"}'


@grouped
def verify(
    *,
    model_or_id: Model = None,
    data: Data = None,
    asked: ClaimOptions,
    input: PlainInputOptions,
    labelled: LabelledOptions,
    model: ModelOptions,
    labels: LabelOptions,
    compute: ExactOptions,
    messages: MessageOptions,
) -> None:
    """Check the figures of a model card.

    Measures every figure in the card's model-index that is about the given
    data and compares it with the claim. Exit status 1: a figure differs by
    more than the tolerance, or nothing could be measured.

    [dim]A model from lexel train, on its test set:[/]
    [bold]lexel verify my-model --data test.conllu[/]

    [dim]A model from the hub, on one data set of its card:[/]
    [bold]lexel verify dslim/bert-base-NER -d test.conll --dataset conll2003[/]
    """
    with reported(messages):
        check_outputs(asked.out, inputs=data or ())
        options, chosen = _options(asked, fold=labelled.fold), chosen_model(model, model_or_id)
        claims, heads = _card_of(chosen, labels)
        files = _files(data, asked, heads, input=input, labelled=labelled) if data else _known(claims)
        reader = _load(chosen, heads, labels, compute=compute.exact, messages=messages)
        verification = _verify(reader, claims, files=files, options=options)
        _report(verification, asked, made=_made(reader, files))
    if not verification.holds:
        raise typer.Exit(FAILED)


def _card_of(model: ModelOptions, labels: LabelOptions) -> tuple[list[Claim], list[Head]]:
    """The card's claims and the model's heads: without both, the model is not loaded."""
    from lexel.cards.metadata import read_claims
    from lexel.checkpoint.source import fetch
    from lexel.tasks.loading import load_checkpoint

    claims = read_claims(fetch(model.model, revision=model.revision).folder)
    if labels.scheme is not None or labels.labels is not None:  # an error about tags
        return claims, []
    return claims, list(load_checkpoint(model.model, revision=model.revision).heads.values())


def _is_of_classes(heads: Sequence[Head]) -> bool:
    """Whether a folder classifies texts, and does not tag them."""
    tasks = {head.task for head in heads}
    return "classify" in tasks and not tasks.intersection(TAGGING)


def _files(
    data: Sequence[str], asked: ClaimOptions, heads: Sequence[Head], *, input: InputOptions, labelled: LabelledOptions
) -> list[Labelled]:
    """Check all files, so that errors are reported before a model is loaded."""
    from lexel.evaluation.verify.verify import Labelled

    if asked.dataset is not None and len(data) > 1:
        raise typer.BadParameter(f"{asked.dataset!r} for {len(data)} files; expected one file", param_hint="--dataset")

    def file(place: str) -> Labelled:
        if _is_of_classes(heads):
            return Labelled.of_classes(place, dataset=asked.dataset)
        name = open_labelled(place, input, labelled).format.name
        read = lambda fold: open_labelled(place, input, replace(labelled, fold=fold)).documents()  # noqa: E731
        return Labelled(place, read, name, asked.dataset)

    return [file(place) for place in data]


def _known(claims: Sequence[Claim]) -> list[Labelled]:
    """The card's data sets, from your copies or from the cache of datasets."""
    from lexel.evaluation.verify.known_data import find_data

    files = find_data(claims)
    for file in files:
        note(f"{file.dataset}: {file.path}")
    return files


def _options(asked: ClaimOptions, *, fold: str | None) -> VerifyOptions:
    from lexel.data.labelled import read_json_object
    from lexel.evaluation.scores.tallies import Sampling
    from lexel.evaluation.verify.verify import VerifyOptions

    return VerifyOptions(
        tolerance=asked.tolerance,
        decode=asked.decode,
        fold=fold,
        label_map={}
        if asked.map_labels is None
        else read_json_object(asked.map_labels, option="--map-labels", example=_EXAMPLE),
        given_words=asked.given_words,
        sampling=Sampling(asked.samples, asked.seed),
    )


def _load(
    model: ModelOptions,
    heads: Sequence[Head],
    labels: LabelOptions,
    *,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Tagger | Classifier:
    if _is_of_classes(heads):
        from lexel.tasks.classify import Classifier

        return Classifier.load(
            model.model,
            revision=model.revision,
            pieces=labels.pieces,
            **compute.loading,
        )
    from lexel.cli.jobs.loading import load_tagger

    return load_tagger(
        model,
        LayerOptions(),
        labels=labels,
        reading=ReadingOptions(),
        tagging=TagOptions(),
        compute=compute,
        messages=messages,
    )


def _verify(
    reader: Tagger | Classifier, claims: list[Claim], *, files: list[Labelled], options: VerifyOptions
) -> Verification:
    from lexel.evaluation.verify.verify import verify as run_again

    return run_again(reader, claims, files=files, options=options)


def _made(reader: Tagger | Classifier, files: list[Labelled]) -> dict[str, Any]:
    """The provenance of the figures."""
    from lexel.evaluation.scores.provenance import (
        describe_data,
        describe_flow,
        describe_machine,
        describe_models,
        describe_versions,
    )
    from lexel.tasks.tag import Tagger

    models = describe_models(reader) if isinstance(reader, Tagger) else [describe_flow(reader.flow, layers=["classes"])]
    return {
        "command": shlex.join(["lexel", *sys.argv[1:]]),
        "machine": describe_machine(),
        "versions": dict(describe_versions()),
        "data": [describe_data(file.path, format=file.format) for file in files],
        "models": models,
    }


def _report(verification: Verification, asked: ClaimOptions, *, made: dict[str, Any]) -> None:

    from lexel.cli.terminal.console import output_console
    from lexel.evaluation.reports.verdicts import outcome, show, write_json

    if asked.out is not None:
        write_json(verification, asked.out, made=made)
        note(f"{asked.out}: written; {outcome(verification)}")
    if asked.to == "json":
        write_json(verification, "-", made=made)
    else:
        show(verification, output_console(width=120))
