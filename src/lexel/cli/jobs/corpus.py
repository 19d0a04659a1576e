"""Corpora on the command line: jobs from options, a progress bar, and reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.corpus import CorpusInputOptions, RecipeOptions, RunnerOptions
from lexel.cli.terminal.messages import is_terminal, note
from lexel.corpora.job import Watch
from lexel.corpora.leaks import count_leaks, find_leaks
from lexel.corpora.plan import SHARD_RECORDS, JobOptions, build_plan
from lexel.corpora.preview import preview_steps
from lexel.corpora.status import Progress, read_status, status_page
from lexel.corpora.steps import Step
from lexel.corpora.verify import MOST_PROBLEMS, verify_corpus
from lexel.data.files import open_output
from lexel.data.records import Record, columns_of_record
from lexel.data.records.json import json_row
from lexel.errors import DataError
from lexel.visible import for_terminal

_TOPIC_NAMES = 8


def options_of(recipe: RecipeOptions, input: CorpusInputOptions, running: RunnerOptions) -> JobOptions:
    """The job's options, from those of the command line."""
    keep = input.keep if input.keep in ("all", "none") else tuple(name.strip() for name in input.keep.split(","))
    return JobOptions(
        format=input.from_,
        text_column=input.text_column,
        id_column=input.id_column,
        keep=keep,
        encoding=input.encoding,
        on_error=input.on_error,
        shard_records=recipe.shard_records or SHARD_RECORDS,
        seed=recipe.seed,
        engine=running.engine,
        precision=running.precision,
        device=running.device,
    )


@contextmanager
def progress_bar(*, is_wanted: bool) -> Iterator[Watch]:
    """A function that draws the progress of a job on a terminal."""
    if not is_wanted or not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Bar(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task("", total=None, told="")

        def watch(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.doing,
                total=progress.shards_total,
                completed=progress.shards_done,
                told=_told(progress),
            )

        yield watch


@contextmanager
def run_told(*, is_quiet: bool) -> Iterator[Watch]:
    """A function that prints the start of a job, draws its progress, and says what to do if it is interrupted."""
    with progress_bar(is_wanted=not is_quiet) as draw:
        start = _Start()

        def watch(progress: Progress) -> None:
            start.say(progress)
            draw(progress)

        try:
            yield watch
        except (KeyboardInterrupt, SystemExit):
            note("interrupted; run the same command again to resume")
            raise


class _Start:
    """Prints once how much there is to do, and how much of it an earlier run did."""

    def __init__(self) -> None:
        self._has_begun = self._has_looked = False

    def say(self, progress: Progress) -> None:
        total = progress.shards_total
        if not self._has_begun:
            self._has_begun = True
            note(f"started: {_count(total, 'shard')}, {_count(progress.records_total, 'record')}")
        if not self._has_looked and progress.is_making:
            self._has_looked = True
            if whole := progress.tally.shards:
                note(f"{whole:,} of {_count(total, 'shard')} {'was' if whole == 1 else 'were'} already complete")


def _count(number: int, thing: str) -> str:
    """A number with its unit: ``1 shard``, ``2,000 shards``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _told(progress: Progress) -> str:
    left = progress.seconds_left
    parts = [_count(progress.tally.records_in, "record")]
    if progress.rate:
        parts.append(f"{progress.rate:,.0f}/s")
    if left is not None:
        parts.append(f"{_duration(left)} left")
    if progress.tally.faulty:
        parts.append(f"{progress.tally.faulty:,} not readable")
    if progress.n_lost:
        parts.append(f"{_count(progress.n_lost, 'worker')} lost")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def say_outcome(folder: str) -> None:
    """Print what a job read and wrote."""
    for line in summary(read_status(folder)):
        note(line)


def summary(status: dict[str, Any]) -> list[str]:
    """A status in a few lines."""
    lines = [
        f"{status['state']}: {status['shards']:,} of {_count(status['shards_total'], 'shard')}, "
        f"{status['records_in']:,} of {_count(status['records_total'], 'record')} read, "
        f"{status['records_out']:,} written"
    ]
    if status.get("error") and status["state"] == "failed":
        lines.append(f"failed: {status['error']}")
    if status.get("records_per_s"):
        left = status["seconds_left"]
        lines.append(
            f"{status['records_per_s']:,.0f} records/s" + (f", {_duration(left)} left" if left is not None else "")
        )
    changed = [step for step in status["steps"] if step["in"] != step["out"]]
    lines += [f"{step['step']}: {step['in']:,} records in, {step['out']:,} out" for step in changed]
    if status["faulty"]:
        lines.append(f"{_count(status['faulty'], 'record')} could not be read; the first: {status['first_fault']}")
    for topic, names in status["counts"].items():
        shown = ", ".join(f"{name} {count:,}" for name, count in list(names.items())[:_TOPIC_NAMES])
        lines.append(f"{topic}: {shown}" + (f", {len(names) - _TOPIC_NAMES} more" if len(names) > _TOPIC_NAMES else ""))
    return lines


def show_status(folder: str, *, as_json: bool, html: str | None) -> None:
    """Print a status, or write it as a page."""
    status = read_status(folder)
    if html is not None:
        check_outputs(html, inputs=())
        with open_output(html) as output:
            for piece in status_page(status, title=folder):
                output.write(piece)
        note(f"wrote {html}")
    elif as_json or not is_terminal(sys.stdout):
        print(json.dumps(status, ensure_ascii=False))
    else:
        print("\n".join(summary(status)))


def verify(folder: str, *, inputs: bool) -> None:
    """Verify a job, and print the result.

    Raises:
        DataError: If it is incomplete or has problems.
    """
    verdict = verify_corpus(folder, inputs=inputs)
    tally = verdict.tally
    print(f"complete, with matching checksums: {tally.shards:,} of {_count(verdict.shards, 'shard')}")
    dropped = [
        f"{step['step']} {step['in'] - step['out'] - step['faulty']:+,}".replace("+", "-", 1)
        for step in _changed(tally.steps)
    ]
    read = [f"{_count(tally.records_in, 'record')} in", f"{tally.blank:,} blank", f"{tally.faulty:,} not readable"]
    print(f"{', '.join(read + dropped)}: {_count(tally.records_out, 'record')} out")
    for problem in verdict.problems:
        print(problem)
    if verdict.n_problems > MOST_PROBLEMS:
        print(f"... and {verdict.n_problems - MOST_PROBLEMS:,} more")
    if verdict.n_problems:
        raise DataError(f"{folder}: {_count(verdict.n_problems, 'problem')}; expected none. See above")
    if verdict.missing:
        raise DataError(
            f"{folder}: {_count(verdict.missing, 'shard')} still to be made; run the same command again to continue"
        )


def _changed(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step for step in steps if step["in"] - step["faulty"] != step["out"]]


def show_plan(inputs: Sequence[str], steps: Sequence[Step], options: JobOptions) -> None:
    """Print what a job would do, without running it."""
    plan = build_plan(inputs, steps, options=options)
    for one in plan.inputs:
        size = f"{_count(one.records, 'record')}, {one.bytes:,} bytes"
        print(f"{one.path}: {one.format}, {size}, sha256 {one.sha256[:12]}...")
    print(f"{_count(len(plan), 'shard')} of up to {_count(options.shard_records, 'record')}")
    for number, step in enumerate(plan.steps, 1):
        options_said = json.dumps(step["options"], ensure_ascii=False) if step["options"] else ""
        models = "".join(f", model {name} {digest[:12]}..." for name, digest in step.get("models", {}).items())
        print(f"{number}. {step['step']} {options_said}{models}".rstrip())


def show_preview(inputs: Sequence[str], steps: Sequence[Step], options: JobOptions, *, records: int) -> None:
    """Print the first records of a job before and after its steps."""
    previews = preview_steps(inputs, steps, options=options, records=records)
    for one in previews:
        print(f"{one.before.place:>6} - {_line(one.before)}")
        for record in one.after:
            print(f"{'':>6} + {_line(record)}")
        if not one.after:
            print(f"{'':>6} + dropped by {one.dropped_by or 'an error'}")
    n_kept = sum(bool(one.after) for one in previews)
    note(f"{_count(len(previews), 'record')}: {n_kept:,} kept, {len(previews) - n_kept:,} dropped; nothing was written")


def _line(record: Record) -> str:
    """A record as one line of JSON; on a terminal, control characters are made visible."""
    text = json_row(columns_of_record(record)).rstrip("\n")
    return for_terminal(text) if is_terminal(sys.stdout) else text


def check_leaks(folder: str, *, key_file: str | None, least_chars: int) -> None:
    """Print the leaks.

    Raises:
        DataError: If there are leaks.
    """
    leaks = list(find_leaks(folder, key_file=key_file, least_chars=least_chars))
    for leak in leaks[:MOST_PROBLEMS]:
        print(leak)
    if len(leaks) > MOST_PROBLEMS:
        print(f"... and {len(leaks) - MOST_PROBLEMS:,} more")
    if leaks:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in count_leaks(leaks).items())
        raise DataError(f"{folder}: {len(leaks):,} leaks ({kinds}); expected none. See above")
    print("no leaks found")
