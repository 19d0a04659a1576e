"""Fills masks in records from files: record n of the input is record n of the output, in constant memory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import typer
from rich.cells import cell_len

from lexel.cli.jobs.loading import load_reader
from lexel.cli.jobs.records import Inputs, Placed, find_inputs
from lexel.cli.jobs.results import (
    BOLD,
    DIM,
    JSON_ENDINGS,
    Result,
    Route,
    Write,
    choose_format,
    json_writer,
    on_one_line,
    stream_found,
    styler,
)
from lexel.cli.options.fill import DecideOptions, FillOutputOptions, MaskOptions, PerplexityOptions
from lexel.cli.options.groups import ComputeOptions, HeadOptions, InputOptions, MessageOptions
from lexel.cli.terminal.messages import say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data import Faults, Losses
from lexel.data.files import LineReader, TextOutput
from lexel.tasks.fill import Candidate, FilledBlank, Filler, Filling
from lexel.tasks.perplexity import Perplexity

_ENDINGS = {**JSON_ENDINGS, ".tsv": "tsv", ".txt": "text"}
_BAR_CELLS = 20


def load_filler(
    model: HeadOptions,
    masks: MaskOptions,
    *,
    deciding: DecideOptions,
    script: str,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Filler:
    """Load the filler that the options name."""
    return load_reader(
        Filler.load,
        model,
        compute=compute,
        messages=messages,
        mask=masks.mask,
        length=_lengths(masks.length),
        top_k=masks.top_k,
        targets=_targets(masks),
        script=script,
        **asdict(deciding),
    )


def _lengths(said: str | None) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", said or "1")
    fewest, most = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 1 <= fewest <= most:
        raise typer.BadParameter(
            f"{said!r}; expected a number from 1, or the fewest and the most: 1-4", param_hint="--length"
        )
    return fewest, most


def _targets(masks: MaskOptions) -> list[str] | None:
    """The words of the option and of the file, without blank lines."""
    if masks.targets is None and masks.targets_file is None:
        return None
    words = [] if masks.targets is None else [word.strip() for word in masks.targets.split(",")]
    lines = () if masks.targets_file is None else LineReader(Path(masks.targets_file))
    found = [word for word in (*words, *(line.strip() for line in lines)) if word]
    if not found:
        raise typer.BadParameter("no word to choose from; expected at least one", param_hint="--targets")
    return found


def plan_filling(
    files: Sequence[str] | None, input: InputOptions, *, output: FillOutputOptions, perplexity: PerplexityOptions
) -> FillingJob:
    """Choose formats and check the files, so that errors are reported before a model is loaded.

    Raises:
        DataError: If a file cannot be read or written.
        typer.BadParameter: If the format of the output is unclear, or options cannot be combined.
    """
    if perplexity.whole_words and not perplexity.perplexity:
        raise typer.BadParameter("is for --perplexity; add it", param_hint="--whole-words")
    inputs = find_inputs(files, input, out=output.out)
    format = choose_format(output.to, output.out, endings=_ENDINGS)
    unfit = "text" if perplexity.perplexity else "tsv"
    if format == unfit:
        raise typer.BadParameter(f"{format} holds no {_kind(perplexity)}; write jsonl", param_hint="--to")
    return FillingJob(inputs, output, perplexity, format)


def _kind(perplexity: PerplexityOptions) -> str:
    return "perplexities" if perplexity.perplexity else "candidates"


@dataclass(frozen=True, slots=True)
class FillingJob:
    """Records to fill, or to measure, and the output."""

    inputs: Inputs
    output: FillOutputOptions
    perplexity: PerplexityOptions
    format: str

    def run(self, filler: Filler, *, is_quiet: bool) -> None:
        """Read all records, and write a result for each.

        Raises:
            DataError: If a record cannot be read, has no mask, or cannot be written.
        """
        files, losses = InputFiles(self.inputs.places), Losses()
        faults = Faults(self.inputs.options.on_error)
        route = Route(self.inputs.places, self.output.out, self.output.line_buffered)
        read = partial(
            _perplexities if self.perplexity.perplexity else _fillings, filler, self.perplexity, live=route.may_wait
        )
        with route.in_sight(files, is_quiet=is_quiet) as watched:
            records = self.inputs.read(files, losses, faults)
            found = stream_found(records, read, one_by_one=route.is_conversation)
            results = (Result(record.document.id, record.document.text, result) for record, result in found)
            route.write(watched(results), self._writer)
        say_losses(losses, faults)

    @property
    def _writer(self) -> Callable[[TextOutput], Write]:
        if self.format != "jsonl":
            return _WRITERS[self.perplexity.perplexity, self.format]
        if self.perplexity.perplexity:
            return json_writer(Perplexity.record)
        return json_writer(partial(Filling.record, unit=self.output.offsets))


def _fillings(filler: Filler, _: PerplexityOptions, records: Iterable[Placed], *, live: bool) -> Iterator[Filling]:
    places: dict[int, str] = {}  # for the records that are being read

    def texts() -> Iterator[str]:
        for number, (where, document) in enumerate(records):
            places[number] = where
            yield document.text

    for number, filling in enumerate(filler.stream(texts(), where=lambda number: places[number], live=live)):
        del places[number]
        yield filling


def _perplexities(
    filler: Filler, options: PerplexityOptions, records: Iterable[Placed], *, live: bool
) -> Iterator[Perplexity]:
    texts = (record.document.text for record in records)
    return filler.stream_perplexities(texts, whole_words=options.whole_words, live=live)


# Formats -------------------------------------------------------------------------------------------------------------


def _one_line(output: TextOutput, text: str) -> str:
    if "\n" in text or "\r" in text:
        raise output.error("the text has a line end; expected one line a record; write JSON lines instead")
    return text


def _filling_text(output: TextOutput) -> Write:
    """Each record with its best candidates."""
    return lambda result: output.write(_one_line(output, result.found.best) + "\n")


def _perplexity_tsv(output: TextOutput) -> Write:
    """Lines with perplexity, number of pieces, and the text."""
    output.write("perplexity\tpieces\ttext\n")

    def write(result: Result) -> None:
        text = _one_line(output, result.text)
        output.write(f"{_number(result.found)}\t{len(result.found)}\t{text}\n")

    return write


def _perplexity_terminal(output: TextOutput) -> Write:
    return lambda result: output.write(f"{_number(result.found):>10}  {on_one_line(result.text)}\n")


def _number(found: Perplexity) -> str:
    """Empty for a text without pieces."""
    return "" if math.isnan(found.value) else f"{found.value:.4f}"


def _filling_terminal(output: TextOutput) -> Write:
    """The text with its masks in bold, and below it the candidates of each blank with bars."""
    in_style = styler(output)

    def marked(text: str, ranges: Sequence[tuple[int, int]]) -> str:
        edges = [0, *(edge for one in ranges for edge in one), len(text)]
        parts = [on_one_line(text[a:b]) for a, b in pairwise(edges)]
        return "".join(in_style(part, BOLD) if k % 2 else part for k, part in enumerate(parts))

    def rows(blank: FilledBlank, text: str) -> Iterator[str]:
        words = [" … ".join(on_one_line(part.text) for part in one.parts) for one in blank.candidates]
        width = max(map(cell_len, words), default=0)
        highest = max((one.prob for one in blank.candidates), default=1) or 1
        yield in_style("  " + " … ".join(on_one_line(text[a:b]) for a, b in blank.masks), DIM)
        for word, one in zip(words, blank.candidates, strict=True):
            bar = "█" * round(_BAR_CELLS * one.prob / highest)
            space = " " * (width - cell_len(word))
            yield f"    {in_style(word, BOLD)}{space}  {_prob(one)}  {in_style(bar, DIM)}".rstrip()

    def write(result: Result) -> None:
        filling: Filling = result.found
        masks = sorted(mask for blank in filling.blanks for mask in blank.masks)
        lines = [marked(filling.text, masks), *(row for blank in filling.blanks for row in rows(blank, filling.text))]
        output.write("\n".join(lines) + "\n\n")

    return write


def _prob(candidate: Candidate) -> str:
    return f"{candidate.prob:.4f}" if candidate.prob >= 0.0005 else f"{candidate.prob:.0e}"


_WRITERS: dict[tuple[bool, str], Callable[[TextOutput], Write]] = {
    (False, "text"): _filling_text,
    (False, "terminal"): _filling_terminal,
    (True, "tsv"): _perplexity_tsv,
    (True, "terminal"): _perplexity_terminal,
}
