"""``lexel corpus``: send more text than fits in memory through steps, shard by shard."""

from __future__ import annotations

from typing import Annotated

import typer

from lexel.cli.options.corpus import (
    CorpusFiles,
    CorpusFolder,
    CorpusInputOptions,
    RecipeOptions,
    RunnerOptions,
)
from lexel.cli.options.groups import MessageOptions, grouped, option
from lexel.cli.terminal.messages import reported

_OutFolder = Annotated[
    str, option("--out", "-o", panel="Job", value="FOLDER", help="Folder of the job. Created if it does not exist.")
]
_DryRun = Annotated[
    int | None,
    option(
        "--dry-run", panel="Job", value="N", min=1, help="Show N records before and after the steps; write nothing."
    ),
]


@grouped
def run(
    *,
    files: CorpusFiles,
    out: _OutFolder,
    recipe: RecipeOptions,
    input: CorpusInputOptions,
    running: RunnerOptions,
    dry_run: _DryRun = None,
    messages: MessageOptions,
) -> None:
    """Run a corpus through steps; run the same command again to resume.

    The input is cut into shards. Each shard goes through all steps and is
    written to its own file, which appears when it is complete. After a kill,
    the next run makes only the shards that are missing.

    [dim]Tag everything, with two processes:[/]
    [bold]lexel corpus run news/*.jsonl.zst --out tagged --steps steps.yaml --workers 2[/]
    """
    with reported(messages):
        from lexel.cli.jobs.corpus import options_of, run_told, say_outcome, show_preview
        from lexel.corpora.job import run_corpus
        from lexel.corpora.recipe import load_steps

        steps = load_steps(recipe.steps)
        if dry_run is not None:
            show_preview(files, steps, options_of(recipe, input, running), records=dry_run)
            return
        with run_told(is_quiet=messages.quiet) as watch:
            run_corpus(
                files,
                out,
                steps=steps,
                options=options_of(recipe, input, running),
                workers=running.workers,
                ray=running.ray,
                watch=watch,
            )
        say_outcome(out)


@grouped
def plan(
    *,
    files: CorpusFiles,
    recipe: RecipeOptions,
    input: CorpusInputOptions,
    running: RunnerOptions,
    messages: MessageOptions,
) -> None:
    """Show what a job would do: inputs, shards, steps and models."""
    with reported(messages):
        from lexel.cli.jobs.corpus import options_of, show_plan
        from lexel.corpora.recipe import load_steps

        show_plan(files, load_steps(recipe.steps), options_of(recipe, input, running))


@grouped
def status(
    *,
    folder: CorpusFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object. Default in a pipe.")] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page with counts by step, language and entity."),
    ] = None,
    messages: MessageOptions,
) -> None:
    """Show the progress and the counts of a job."""
    with reported(messages):
        from lexel.cli.jobs.corpus import show_status

        show_status(folder, as_json=as_json, html=html)


@grouped
def verify(
    *,
    folder: CorpusFolder,
    inputs: Annotated[
        bool, typer.Option("--inputs/--no-inputs", help="Also compare the inputs with their checksums.")
    ] = True,
    messages: MessageOptions,
) -> None:
    """Check every checksum, and that every record is accounted for."""
    with reported(messages):
        from lexel.cli.jobs.corpus import verify

        verify(folder, inputs=inputs)


@grouped
def leaks(
    *,
    folder: CorpusFolder,
    key_file: Annotated[
        str | None, typer.Option("--key-file", metavar="FILE", help="File of the key, if it was moved after the job.")
    ] = None,
    least_chars: Annotated[
        int, typer.Option("--least-chars", metavar="N", min=1, help="Ignore names with fewer characters. Default: 3.")
    ] = 3,
    messages: MessageOptions,
) -> None:
    """Search redacted output for identifiers and names that were missed.

    Identifiers are found by their form. With a key, names that were redacted
    in one record are also searched for in all other records. The output
    shows places, never texts.
    """
    with reported(messages):
        from lexel.cli.jobs.corpus import check_leaks

        check_leaks(folder, key_file=key_file, least_chars=least_chars)


corpus = typer.Typer(name="corpus", help="Tag, clean, anonymise and augment more text than fits in memory.")
for _command in (run, plan, status, verify, leaks):
    corpus.command()(_command)
