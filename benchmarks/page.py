"""``python -m benchmarks.page [RESULT.json ...]``: the page ``docs/speed.md`` and its plots, made from kept results.

Every number on the page is one of the results'. Parts may come from several files of one kind of processor; the last
file that has a part gives it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plots import Bar, BarPanel, Line, LinePanel, draw_bars, draw_lines
from benchmarks.record import Record, RecordError, newest_full, read_record
from benchmarks.report import Part, Row, shown, shown_bar, shown_series, shown_shares

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE, PLOTS = "speed.md", "speed"
_BUSY = 2
"""Load average for each core from which a machine counts as busy."""
Sizes = Mapping[str, Any]

INTRODUCTION = """\
Results of `make bench` on one machine. Lexel and its peers take turns, so that a busy moment slows all of them. A
figure is the median of its turns. Texts are real sentences, from strings to words whose text and tags are read. Models
have random weights in the shape of real ones, unless they are named. Peers run at the batch size and precision that
were fastest in a trial on {trial_sentences} sentences, with as many threads as Lexel
([how a peer is treated](../CONTRIBUTING.md#peers)). A multiple depends on the machine as much as on the programs, so
each is shown with the share of the machine's ceiling, its bf16 matrix products, that both reach.
"""
AGAIN = """\
## Measure it again

```console
$ make bench
$ python -m benchmarks throughput lengths --save
$ python -m benchmarks.floor
$ python -m benchmarks.page
```

`make bench` measures everything and saves the figures, the machine and the versions in `benchmarks/results/`. Pass
names of parts to measure only these. `benchmarks/floor.json` has the lowest allowed figures for each kind of processor:
a full run below one of them names it and fails. Only ratios within a run and shares have a floor, because absolute
rates change with the load of the machine. `python -m benchmarks.floor` raises the floors to the measured figures, minus
a margin. `python -m benchmarks.page` writes this page. For a GPU, use `python -m benchmarks.gpu` ([on a GPU](gpu.md)).
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A section about one part of the benchmark.

    Attributes:
        part: Its name on the command line.
        title: The heading; by default the part's own.
        says: What a reader should know, with the run's sizes put in.
        plot: The name of its plot, if it has one.
        alt: What the plot shows, for those who do not see it.
        draw: What draws it.
        is_on_request: Whether a run without names leaves it out.
    """

    part: str
    title: str = ""
    says: str = ""
    plot: str = ""
    alt: str = ""
    draw: Callable[[Part], str] | None = None
    is_on_request: bool = False


def draw_engines(part: Part) -> str:
    """A panel of bars for each shape."""
    panels = [BarPanel(name, _bars(rows), "characters per second") for name, rows in _by_plot(part.rows).items()]
    return draw_bars(panels, "characters per second by engine and precision")


def draw_shares(part: Part) -> str:
    """One panel of bars, and a line at the ceiling."""
    rows = [row for row in part.rows if row.plot]
    title = "Useful work against what the matrix product alone does in bf16"
    panel = BarPanel(title, _bars(rows), "% of the ceiling", limit=100, limit_name="ceiling")
    return draw_bars([panel], "share of the ceiling")


def draw_account(part: Part) -> str:
    """One panel of bars."""
    return draw_bars([BarPanel(part.name, _bars(part.rows), "% of the time")], part.name)


def draw_lengths(part: Part) -> str:
    """Both lines in one panel with powers on both axes."""
    lines = [_line(name, rows) for name, rows in _by_plot(part.rows).items()]
    title = "Throughput by length"
    return draw_lines([LinePanel(title, lines, "characters of a text", "characters per second", is_log=True)], title)


def draw_budgets(part: Part) -> str:
    """A panel for each model."""
    return draw_lines(
        [
            LinePanel(name, [_line(name, rows)], "slots of a batch", "characters per second")
            for name, rows in _by_plot(part.rows).items()
        ],
        "characters per second by slots of a batch",
    )


def draw_growth(part: Part) -> str:
    """A panel for memory, and one for the rate."""
    units = {"MiB": "MiB", "chars/s": "characters per second"}
    panels = [
        LinePanel(f"Bundled model, {name}", [_line(name, rows)], "sentences read", units[rows[0].unit])
        for name, rows in _by_plot(part.rows).items()
    ]
    return draw_lines(panels[::-1], "peak memory and rate over the sentences read")


_BESIDE_BERT = (
    "`python -m benchmarks modernbert deberta` measures both families. All programs compute in bf16 and read "
    "{fewer_sentences} sentences. The bar for the multiple is BERT's own multiple in the same run. The account of the "
    "graph's time is that of one thread, by kind of OpenVINO's nodes."
)
SECTIONS = (
    Section(
        "engines",
        "Throughput by engine and precision",
        "Each engine in every precision that it has here. OpenVINO is the default on a CPU. numpy is the reference for "
        "tests, not for use.",
        "engines",
        "characters per second by engine and precision, for a large and a small BERT",
        draw_engines,
    ),
    Section(
        "throughput",
        "Share of the ceiling",
        "The ceiling is the rate of this machine's bf16 matrix product, measured before and after each of Lexel's "
        "passes. Useful work counts every piece of {sentences} sentences at its own length, and nothing for padding; "
        "the time is that from text to words. int8 has its own products, so this ceiling does not apply to it.",
        "ceiling",
        "percent of the rate of bf16 matrix products that Lexel and its peers reach",
        draw_shares,
    ),
    Section(
        "account",
        "Where the bf16 encoder's time goes",
        "Each thread computes its share of the batches of {sentences} sentences with its own graph, and OpenVINO "
        "reports the time of every node. GELU is the difference from the same model with ReLU. Tokenising and decoding "
        "are not counted.",
        "account",
        "percent of the threads' time that each part of the encoder takes",
        draw_account,
    ),
    Section(
        "lengths",
        "Throughput by length",
        "All programs read {length_chars:,} characters, cut into texts of one length. The pipeline runs at its best "
        "batch size and precision for that length, and uses windows if a text is longer than the model's limit.",
        "lengths",
        "characters per second over the length of a text, Lexel and transformers' pipeline",
        draw_lengths,
    ),
    Section(
        "budgets",
        "Throughput by budget of a batch",
        "`batch_pieces=` and `--batch-pieces` set the maximum number of slots in a batch. The default keeps the engine "
        "busy.",
        "budgets",
        "characters per second over slots of a batch, for the measured BERT and the bundled model",
        draw_budgets,
    ),
    Section(
        "growth",
        "Memory over the size of a corpus",
        "The bundled model in fresh processes. Texts are read in blocks and results returned one by one, so neither "
        "memory nor the rate should depend on the number of texts.",
        "memory",
        "peak memory and rate over the number of sentences",
        draw_growth,
    ),
    Section("bundled", "The bundled model"),
    Section("fast"),
    Section("embedding"),
    Section("classification"),
    Section("startup"),
    Section("lone"),
    Section("memory", says="The peak of a fresh process, with file mappings."),
    Section("host"),
    Section("mixture"),
    Section("modernbert", says=f"{_BESIDE_BERT} ModernBERT has 22 layers of 768, BERT has 12.", is_on_request=True),
    Section(
        "deberta",
        says=f"{_BESIDE_BERT} The exported graph is transformers' class, traced by torch. DeBERTa has products of "
        "queries and of keys with distances in addition to those of BERT.",
        is_on_request=True,
    ),
)


def main() -> None:
    """Write the page."""
    options = _arguments().parse_args()
    try:
        records = [read_record(path) for path in options.results] or [
            newest_full(each.part for each in SECTIONS if not each.is_on_request)
        ]
        written = write_page(records, options.out, without=options.without)
    except RecordError as error:
        sys.exit(str(error))
    for path in written:
        print(path)


def write_page(records: Sequence[Record], folder: Path, *, without: Sequence[str] = ()) -> list[Path]:
    """Write the page and its plots into a folder.

    Args:
        records: Where the parts come from; the last that has a part gives it.
        folder: Where the page goes; the plots go into ``speed/`` in it.
        without: Parts to leave out, such as those whose peers were not measured at their best.

    Returns:
        What was written.

    Raises:
        RecordError: If the records are of different kinds of processor, or of a benchmark without these plots.
    """
    _check(records)
    parts = {name: part for record in records for name, part in record.parts.items() if name not in without}
    sizes: Sizes = {name: size for record in records for name, size in record.settings["sizes"].items()}
    sections = [section for section in SECTIONS if section.part in parts]
    texts = {PAGE: _page(records, parts, sections, sizes, without=without)}
    texts |= {
        f"{PLOTS}/{section.plot}.svg": section.draw(part)
        for section in sections
        if section.draw and _is_drawn(part := parts[section.part])
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _check(records: Sequence[Record]) -> None:
    first = records[0]
    for record in records:
        if "sizes" not in record.settings:
            raise RecordError(f"{record.path}: says nothing of its sizes; an older benchmark made it. Measure again")
        if (record.kind.processor, record.kind.flags) != (first.kind.processor, first.kind.flags):
            raise RecordError(
                f"{record.path}: measured on {record.kind}, but {first.path} on {first.kind}; "
                "expected one kind of processor, so give files of one"
            )


def _page(
    records: Sequence[Record],
    parts: Mapping[str, Part],
    sections: Sequence[Section],
    sizes: Sizes,
    *,
    without: Sequence[str],
) -> str:
    left_out = ["--without", *without] if without else []
    command = " ".join(["python -m benchmarks.page", *(_named(record.path) for record in records), *left_out])
    blocks = [
        f"<!-- `{command}` made this page; change the benchmark, not the page. -->",
        "# Speed and memory",
        INTRODUCTION.format(**sizes).strip(),
        f"Measured on {records[0].kind}; [which run gave what](#the-runs) stands at the end.",
        "## Figures and their bars",
        _table(_bar_cells(parts.values()), right=2),
    ]
    for section in sections:
        blocks += _section(section, parts[section.part], sizes)
    blocks += ["## The runs", *(_machine(record, _given_by(record, records, parts)) for record in records)]
    return "\n\n".join([*blocks, AGAIN])


def _given_by(record: Record, records: Sequence[Record], parts: Mapping[str, Part]) -> list[str]:
    """The parts of the page that a record gives: those that no later one has."""
    later = records[[each.path for each in records].index(record.path) + 1 :]
    return [name for name in record.parts if name in parts and not any(name in other.parts for other in later)]


def _is_processors_time(record: Record) -> bool:
    """Whether rates are by the processor's time, which other work on the machine hardly changes."""
    return record.settings.get("clock") == "processor"


def _machine(record: Record, parts: Sequence[str]) -> str:
    """What was measured on what, and with what."""
    machine, kind = record.machine, record.kind
    small = " **In small, to see that it runs: these figures say nothing.**" if record.is_quick else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    if not _is_processors_time(record) and machine.load_average > _BUSY * kind.cores:
        small += " **The machine did other work: rates by the wall clock are far too low, the others hold.**"
    sizes = record.settings["sizes"]
    turns = f"{sizes['repetitions']} turns where a bar is decided on a rate, else {sizes['fewer_repetitions']}"
    clock = "; rates by the processor's time" if _is_processors_time(record) else ""
    return (
        f"`{_named(record.path)}` ({', '.join(parts)}): {record.date}, {record.seconds:,} s; {turns}{clock}.{small}  \n"
        f"{kind}; {machine.system}; load average before {shown(machine.load_average)}.  \n"
        f"{versions}."
    )


def _section(section: Section, part: Part, sizes: Sizes) -> Iterator[str]:
    yield f"## {section.title or part.name}"
    if section.says:
        yield section.says.format(**sizes)
    if section.plot and _is_drawn(part):
        yield f"![{section.alt}]({PLOTS}/{section.plot}.svg)"
    if part.rows:
        yield _table(_row_cells(part.rows), right=1)
    if part.notes:
        yield "\n".join(f"- {note}" for note in part.notes)


def _is_drawn(part: Part) -> bool:
    """Whether there is something to draw: a processor without bf16 has no ceiling."""
    return any(row.plot for row in part.rows)


def _bar_cells(parts: Iterable[Part]) -> Iterator[Sequence[str]]:
    yield "figure", "", "bar", "here", "of the ceiling: Lexel / peer", "beside"
    verdicts = {True: "met", False: "**missed**", None: "not on this machine"}
    for bar in (bar for part in parts for bar in part.bars):
        value = "" if bar.value is None else f"{shown(bar.value)}{bar.unit}"
        yield bar.figure, verdicts[bar.is_met], shown_bar(bar), value, shown_shares(bar), bar.note


def _row_cells(rows: Iterable[Row]) -> Iterator[Sequence[str]]:
    yield "", "median", "least", "most", ""
    for row in rows:
        yield row.name, *shown_series(row.series), row.unit


def _table(cells: Iterable[Sequence[str]], *, right: int) -> str:
    """A table whose first row is its head; numbers begin in the column ``right`` and end before the last."""
    head, *rows = cells
    rule = ["---:" if right <= i < len(head) - 1 else "---" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _by_plot(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.plot:
            found.setdefault(row.plot, []).append(row)
    return found


def _bars(rows: Iterable[Row]) -> list[Bar]:
    """The fastest above."""
    bars = [Bar(row.label, row.series, row.is_peer) for row in rows]
    return sorted(bars, key=lambda bar: -bar.series.median)


def _line(name: str, rows: Iterable[Row]) -> Line:
    rows = list(rows)
    return Line(name, [(row.x, row.series) for row in rows if row.x is not None], rows[0].is_peer)


def _named(path: Path) -> str:
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.partition(":")[2])
    parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT", help="kept results (default: the newest with all parts)"
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="PART", help="parts to leave out")
    parser.add_argument("--out", type=Path, default=DOCS, metavar="FOLDER", help="where the page goes (default: docs)")
    return parser


if __name__ == "__main__":
    main()
