"""``lexel probe``: find out which layer of a model holds a property."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.groups import ComputeOptions, MessageOptions, ModelOptions, PlainInputOptions, grouped
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.options.named_model import Model, chosen_model
from lexel.cli.options.probe import Data, Head, ProbingOptions
from lexel.cli.terminal.messages import note, reported
from lexel.names import FlatLayer

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint
    from lexel.data.labelled import LabelledFile
    from lexel.evaluation.probe.probe import ProbeResult


@grouped
def probe(
    *,
    model_or_id: Model = None,
    data: Data,
    head: Head,
    probing: ProbingOptions,
    labelled: LabelledOptions,
    input: PlainInputOptions,
    model: ModelOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Find out which layer of an encoder holds a property.

    A linear classifier is fitted on each layer of the frozen encoder and
    scored. The model's own heads are not used.

    [dim]Which layer of the bundled model separates entities best:[/]
    [bold]lexel probe --data train.jsonl --test dev.jsonl --head entities[/]
    """
    with reported(messages):
        check_outputs(probing.out, probing.html, inputs=[data, probing.test])
        file = open_labelled(data, input, labelled)
        test = None if probing.test is None else open_labelled(probing.test, input, labelled)
        checkpoint = _open(chosen_model(model, model_or_id))
        result = _probe(checkpoint, file, test=test, head=head, probing=probing, compute=compute)
        _report(result, probing, made=_made(checkpoint, file, test), is_quiet=messages.quiet)


def _open(model: ModelOptions) -> Checkpoint:
    from lexel.tasks.loading import load_checkpoint

    checkpoint = load_checkpoint(model.model, revision=model.revision)
    note(checkpoint.description.splitlines()[0])
    return checkpoint


def _probe(
    checkpoint: Checkpoint,
    file: LabelledFile,
    *,
    test: LabelledFile | None,
    head: FlatLayer,
    probing: ProbingOptions,
    compute: ComputeOptions,
) -> ProbeResult:
    from lexel.engines.choose import EngineOptions
    from lexel.evaluation.probe.probe import ProbeOptions
    from lexel.evaluation.probe.probe import probe as probe_layers

    return probe_layers(
        checkpoint,
        file.documents(),
        options=ProbeOptions(head, max_items=probing.max_items, seed=probing.seed, n_samples=probing.samples),
        engine=EngineOptions(**compute.loading),
        test=None if test is None else test.documents(),
        progress=lambda done, total: note(f"layer {done - 1} of {total - 1}"),
    )


def _report(result: ProbeResult, probing: ProbingOptions, *, made: dict[str, Any], is_quiet: bool) -> None:

    from lexel.cli.terminal.console import output_console
    from lexel.evaluation.reports.probe_report import show, write_json, write_page

    if probing.out is not None:
        write_json(result, probing.out, made=made)
    if probing.html is not None:
        write_page(result, probing.html, made=made)
    if not is_quiet:
        show(result, output_console(width=100))


def _made(checkpoint: Checkpoint, file: LabelledFile, test: LabelledFile | None) -> dict[str, Any]:
    """The provenance of the figures."""
    from lexel.evaluation.scores.provenance import describe_command, describe_data

    source = checkpoint.source
    files = [file] if test is None else [file, test]
    return {
        **describe_command(shlex.join(["lexel", *sys.argv[1:]])),
        "model": {
            "name": source.repo_id or source.folder.name,
            "commit": source.commit,
            "model_type": checkpoint.config.model_type,
            "licence": checkpoint.card.licence,
        },
        "data": [describe_data(each.path, format=each.format.name, fold=each.fold) for each in files],
    }
