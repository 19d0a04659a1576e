"""``lexel tag --workers`` and ``--resume``: reads one file in parts, and writes the output at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import typer

from lexel.cli.jobs.corpus import progress_bar
from lexel.cli.jobs.tagging import TaggingJob
from lexel.cli.options.groups import (
    ComputeOptions,
    LabelOptions,
    LayerOptions,
    ModelOptions,
    PartsOptions,
    ReadingOptions,
    TagOptions,
)
from lexel.corpora.one_file import read_in_parts
from lexel.corpora.plan import JobOptions
from lexel.corpora.steps import Tag
from lexel.data.records import Record
from lexel.engines.choose import available_threads
from lexel.errors import DataError


def check_parts(job: TaggingJob, parts: PartsOptions) -> None:
    """Refuse inputs that cannot be read in parts.

    Raises:
        typer.BadParameter: Naming what is needed.
    """
    hint = "--resume" if parts.resume else "--workers"
    if job.output.out in (None, "-"):
        raise typer.BadParameter("the parts are stored beside the output; add --out FILE", param_hint=hint)
    (path, format), *others = job.inputs.sources
    if others or not os.path.isfile(path):
        raise typer.BadParameter("needs one file; for several, use lexel corpus run", param_hint=hint)
    if format.records is None:
        expected = "expected text, JSON lines, CSV, TSV or Parquet"
        raise typer.BadParameter(f"{path}: {format.name} cannot be cut into parts; {expected}", param_hint=hint)
    if job.output.line_buffered or job.inputs.follows:
        raise typer.BadParameter("results come at the end; leave out --line-buffered and --follow", param_hint=hint)


def tag_step(
    model: ModelOptions,
    layers: LayerOptions,
    *,
    labels: LabelOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    compute: ComputeOptions,
    ignore: str | None,
    max_chars: int | None,
) -> Tag:
    """The options of ``lexel tag`` as a step that can be sent to processes."""
    return Tag(
        model=model.model,
        revision=model.revision,
        words=model.words,
        pos=layers.pos,
        entities=layers.entities,
        scheme=labels.scheme,
        labels=_names(labels.labels),
        pieces=labels.pieces,
        expects=model.expect,
        decode=reading.decode,
        snap=reading.snap,
        script=reading.script,
        lexicon=reading.lexicon,
        given_words=tagging.given_words,
        entities_on_words=tagging.entities_on_words,
        min_score=tagging.min_score,
        ignore=_names(ignore),
        max_chars=max_chars,
        batch_pieces=compute.batch_pieces,
    )


def _names(typed: str | None) -> tuple[str, ...]:
    return () if typed is None else tuple(name.strip() for name in typed.split(","))


def tag_in_parts(
    job: TaggingJob, step: Tag, *, parts: PartsOptions, compute: ComputeOptions, bundled: str | None, is_quiet: bool
) -> None:
    """Tag the parts of a file with several processes, then write the output.

    Args:
        job: The file to tag, and the output.
        step: The step that tags.
        parts: Number of processes, and whether parts are kept.
        compute: The engine of each process.
        bundled: The bundled model that reads, if it is one.
        is_quiet: Show no progress.

    Raises:
        DataError: If a record cannot be read or written.
    """
    ((path, format),) = job.inputs.sources
    input = job.inputs.options
    options = JobOptions(
        format=format.name,
        text_column=input.text_column,
        id_column=input.id_column,
        keep="none",  # the input is read again when the output is written, so its columns are copied unchanged
        encoding=input.encoding,
        on_error="stop" if input.on_error == "stop" else "skip",
        engine=compute.engine,
        precision=compute.precision,
        device=compute.device,
    )
    with (
        progress_bar(is_wanted=not is_quiet) as watch,
        read_in_parts(
            path,
            str(job.output.out),
            step=step,
            options=options,
            workers=parts.workers or 1,
            threads=compute.threads or available_threads(),
            resumes=parts.resume,
            watch=watch,
        ) as found,
    ):
        job.write(lambda records: _paired(records, found, path), bundled, given_words=step.given_words, is_quiet=True)


def _paired(records: Iterable[Record], found: Iterator[Record], path: str) -> Iterator[Record]:
    """Each record of the input with its result from the parts.

    Raises:
        DataError: If the texts differ because the input has changed.
    """
    for record in records:
        result = next(found, None)
        if result is None or result.text != record.text:
            raise DataError(
                f"{path}:{record.place}: has changed while it was read; expected the same text. Run it again"
            )
        yield record.with_document(result.as_document)
    if next(found, None) is not None:
        raise DataError(f"{path}: has become shorter while it was read; expected the same file. Run it again")
