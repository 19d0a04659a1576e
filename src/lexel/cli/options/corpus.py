"""The options of ``lexel corpus``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from lexel.cli.options.groups import Encoding, EngineName, IdColumn, PrecisionName, TextColumn, choices, option

_JOB, _INPUT, _RUNNING, _COMPUTING = "Job", "Input", "Running", "Computing"

CorpusFormat = Literal["text", "jsonl", "csv", "tsv", "parquet"]
CorpusOnError = Literal["stop", "skip", "file"]

CorpusFiles = Annotated[
    list[str],
    typer.Argument(metavar="FILES", help="Text, JSON, CSV, TSV or Parquet; also .gz, .xz, .bz2 and .zst."),
]
CorpusFolder = Annotated[str, typer.Argument(metavar="FOLDER", help="Folder of the job, as passed to --out.")]


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """The job."""

    steps: Annotated[str, option("--steps", panel=_JOB, value="FILE", help="YAML list of steps and their options.")]
    seed: Annotated[
        int, option("--seed", panel=_JOB, value="N", help="Seed of the random choices of steps. Default: 42.")
    ] = 42
    shard_records: Annotated[
        int | None,
        option("--shard-records", panel=_JOB, value="N", min=1, help="Records per shard. Default: 2,000."),
    ] = None


@dataclass(frozen=True, slots=True)
class CorpusInputOptions:
    """How the input is read."""

    from_: Annotated[
        CorpusFormat | None,
        option("--from", panel=_INPUT, value="FORMAT", help=f"{choices(CorpusFormat)}. Default: by the file ending."),
    ] = None
    text_column: TextColumn = "text"
    id_column: IdColumn = "id"
    keep: Annotated[
        str,
        option("--keep", panel=_INPUT, value="A,B,...", help="Other columns to keep: all (default), none, or names."),
    ] = "all"
    encoding: Encoding = "utf-8"
    on_error: Annotated[
        CorpusOnError,
        option(
            "--on-error",
            panel=_INPUT,
            value="RULE",
            help="On bad records: stop (default), skip and count them, or file: skip and list them in FOLDER/faults.",
        ),
    ] = "stop"


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """Where the job runs."""

    workers: Annotated[
        int | None,
        option("--workers", panel=_RUNNING, value="N", min=1, help="Number of processes. Default: one per core."),
    ] = None
    ray: Annotated[
        str | None,
        option(
            "--ray", panel=_RUNNING, value="ADDRESS", help="Use a Ray cluster instead of processes. local starts one."
        ),
    ] = None
    engine: Annotated[
        EngineName, option("--engine", panel=_COMPUTING, value="NAME", help=f"{choices(EngineName)}.")
    ] = "auto"
    precision: Annotated[
        PrecisionName, option("--precision", panel=_COMPUTING, value="NAME", help=f"{choices(PrecisionName)}.")
    ] = "auto"
    device: Annotated[str | None, option("--device", panel=_COMPUTING, value="NAME", help="cpu, cuda or cuda:N.")] = (
        None
    )
