"""Records from files through a filler into the output: record n in is record n out, in constant memory."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from rich.cells import cell_len

from lexel.cli.embedding import Inputs, find_inputs
from lexel.cli.fill import DecideOptions, FillOutputOptions, MaskOptions, PerplexityOptions
from lexel.cli.loading import fetch_in_sight
from lexel.cli.messages import is_terminal, note, say_losses
from lexel.cli.options import ComputeOptions, HeadOptions, InputOptions, MessageOptions
from lexel.cli.progress import InputFiles, show_progress
from lexel.cli.transfer import check_places
from lexel.data import Losses
from lexel.data.files import COMPRESSED_ENDINGS, LineReader, TextOutput, name_of, open_output, write_errors
from lexel.data.render import visible
from lexel.document import Document
from lexel.tasks.fill import Candidate, FilledBlank, Filler, Filling
from lexel.tasks.perplexity import Perplexity

Result = Filling | Perplexity
Write = Callable[[str | None, Any], None]
_LINE_A_RECORD = ("text", "segmented", "jsonl")
_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".txt": "text"}
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
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
    """The filler that the options ask for."""
    options: dict[str, Any] = {
        "mask": masks.mask,
        "length": _lengths(masks.length),
        "top_k": masks.top_k,
        "targets": _targets(masks),
        "joint": deciding.joint,
        "beam": deciding.beam,
        "order": deciding.order,
        "rank": deciding.rank,
        "length_penalty": deciding.length_penalty,
        "script": script,
        **compute.loading,
    }
    fetch_in_sight((model.model,), model, messages)
    return Filler.load(model.model, revision=model.revision, pieces=model.pieces, head=model.head, **options)


def _lengths(said: str | None) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", said or "1")
    fewest, most = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 1 <= fewest <= most:
        raise typer.BadParameter(
            f"{said!r}; expected a number from 1, or the fewest and the most: 1-4", param_hint="--length"
        )
    return fewest, most


def _targets(masks: MaskOptions) -> list[str] | None:
    """The words of the option and of the file; a blank line of the file is none."""
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
    """Settle formats and look at the files, so that what is wrong is said before a model is loaded.

    Raises:
        DataError: If a file cannot be there.
        typer.BadParameter: If the format of the output is unclear, or options do not go together.
    """
    if perplexity.whole_words and not perplexity.perplexity:
        raise typer.BadParameter("is for --perplexity; add it", param_hint="--whole-words")
    inputs = find_inputs(files, input)
    check_places([place for place, _ in inputs.sources], output.out)
    format = _output_format(output)
    unfit = "text" if perplexity.perplexity else "tsv"
    if format == unfit:
        raise typer.BadParameter(f"{format} holds no {_kind(perplexity)}; write jsonl", param_hint="--to")
    return FillingJob(inputs, output, perplexity, format)


def _kind(perplexity: PerplexityOptions) -> str:
    return "perplexities" if perplexity.perplexity else "candidates"


def _output_format(output: FillOutputOptions) -> str:
    if output.to is not None:
        return output.to
    if output.out in (None, "-"):
        return "terminal" if is_terminal(sys.stdout) else "jsonl"
    name = str(output.out).lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    ending = os.path.splitext(name)[1]
    if ending not in _ENDINGS:
        raise typer.BadParameter(
            f"{output.out}: ending {ending!r}; expected one of {', '.join(_ENDINGS)}; or name the format with --to",
            param_hint="--out",
        )
    return _ENDINGS[ending]


@dataclass(frozen=True, slots=True)
class FillingJob:
    """What is filled, or measured as a whole, and where the results go."""

    inputs: Inputs
    output: FillOutputOptions
    perplexity: PerplexityOptions
    format: str

    def run(self, filler: Filler, *, is_quiet: bool) -> None:
        """Read everything, and write a result for each record.

        Raises:
            DataError: If a record cannot be read, has no mask, or cannot be written.
        """
        files, losses = InputFiles([place for place, _ in self.inputs.sources]), Losses()
        records = self._records(files, losses)
        if self._asks_a_person:
            note("one record a line; Ctrl-D ends")
        with show_progress(files, is_wanted=not is_quiet and self._leaves_stderr_free) as watched:
            seen: Any = watched
            with open_output(self.output.out or "-") as output:
                write = _WRITERS[self.perplexity.perplexity, self.format](output, self.output.offsets)
                for id, result in self._results(filler, records, seen):
                    write(id, result)
                    if self._is_conversation and sys.stdout is not None:
                        with write_errors("<stdout>"):
                            sys.stdout.flush()
        say_losses(losses)

    def _records(self, files: InputFiles, losses: Losses) -> Iterator[tuple[str, Document]]:
        """Each record, and where it stands."""
        for place, format in self.inputs.sources:
            at = ":" if format.name in _LINE_A_RECORD else ": record "
            own = Inputs(((place, format),), self.inputs.options)
            for number, record in enumerate(own.read(files, losses), 1):
                yield f"{name_of(place)}{at}{number}", record

    def _results(
        self, filler: Filler, records: Iterator[tuple[str, Document]], watched: Callable[[Any], Any]
    ) -> Iterator[tuple[str | None, Result]]:
        """What is found in each record; in a conversation each has its result before the next is read."""
        if self._is_conversation:
            for one in records:
                yield from self._stream(filler, iter([one]), watched)
        else:
            yield from self._stream(filler, records, watched)

    def _stream(
        self, filler: Filler, records: Iterator[tuple[str, Document]], watched: Callable[[Any], Any]
    ) -> Iterator[tuple[str | None, Result]]:
        waiting: dict[int, tuple[str, str | None]] = {}  # where each record stands that is being read, and its name

        def texts() -> Iterator[str]:
            for number, (where, record) in enumerate(records):
                waiting[number] = where, record.id
                yield record.text

        if self.perplexity.perplexity:
            results: Any = filler.stream_perplexities(texts(), whole_words=self.perplexity.whole_words)
        else:
            results = filler.stream(texts(), where=lambda number: waiting[number][0])
        for number, result in enumerate(watched(results)):
            yield waiting.pop(number)[1], result

    @property
    def _is_conversation(self) -> bool:
        return self.output.line_buffered or self._asks_a_person

    @property
    def _asks_a_person(self) -> bool:
        return any(place == "-" for place, _ in self.inputs.sources) and is_terminal(sys.stdin)

    @property
    def _leaves_stderr_free(self) -> bool:
        to_terminal = self.output.out in (None, "-") and is_terminal(sys.stdout)
        return not to_terminal and not self._is_conversation


# Formats -------------------------------------------------------------------------------------------------------------


def _write_json(output: TextOutput, record: dict[str, Any]) -> None:
    line = json.dumps(record, ensure_ascii=False)
    if not line.isascii() and any("\ud800" <= char <= "\udfff" for char in line):
        line = json.dumps(record)  # lone surrogates stand as escapes
    output.write(line + "\n")


def _one_line(output: TextOutput, text: str) -> str:
    if "\n" in text or "\r" in text:
        raise output.error("the text has a line end; expected one line a record; write JSON lines instead")
    return text


def _filling_jsonl(output: TextOutput, unit: str) -> Write:
    def write(id: str | None, filling: Filling) -> None:
        _write_json(output, {"id": id, **filling.record(unit=unit)})

    return write


def _filling_text(output: TextOutput, _: str) -> Write:
    """Each record with its best candidates."""
    return lambda _, filling: output.write(_one_line(output, filling.best) + "\n")


def _perplexity_jsonl(output: TextOutput, _: str) -> Write:
    def write(id: str | None, found: Perplexity) -> None:
        _write_json(output, {"id": id, **found.record()})

    return write


def _perplexity_tsv(output: TextOutput, _: str) -> Write:
    """Perplexity, number of pieces, text; the text is the rest of the line."""
    output.write("perplexity\tpieces\ttext\n")
    return lambda _, found: output.write(f"{_number(found)}\t{len(found)}\t{_one_line(output, found.text)}\n")


def _perplexity_terminal(output: TextOutput, _: str) -> Write:
    return lambda _, found: output.write(f"{_number(found):>10}  {visible(found.text.replace(chr(10), ' '))}\n")


def _number(found: Perplexity) -> str:
    """Empty for a text without pieces."""
    return "" if math.isnan(found.value) else f"{found.value:.4f}"


def _filling_terminal(output: TextOutput, _: str) -> Write:
    """The text with its masks in bold, and under it each blank's candidates with bars."""
    styled = output.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def in_style(text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if styled and text else text

    def marked(text: str, ranges: Sequence[tuple[int, int]]) -> str:
        edges = [0, *(edge for one in ranges for edge in one), len(text)]
        parts = [_shown(text[a:b]) for a, b in pairwise(edges)]
        return "".join(in_style(part, _BOLD) if k % 2 else part for k, part in enumerate(parts))

    def rows(blank: FilledBlank, text: str) -> Iterator[str]:
        words = [" … ".join(_shown(part.text) for part in one.parts) for one in blank.candidates]
        width = max(map(cell_len, words), default=0)
        highest = max((one.prob for one in blank.candidates), default=1) or 1
        yield in_style("  " + " … ".join(_shown(text[a:b]) for a, b in blank.masks), _DIM)
        for word, one in zip(words, blank.candidates, strict=True):
            bar = "█" * round(_BAR_CELLS * one.prob / highest)
            space = " " * (width - cell_len(word))
            yield f"    {in_style(word, _BOLD)}{space}  {_prob(one)}  {in_style(bar, _DIM)}".rstrip()

    def write(_: str | None, filling: Filling) -> None:
        masks = sorted(mask for blank in filling.blanks for mask in blank.masks)
        lines = [marked(filling.text, masks), *(row for blank in filling.blanks for row in rows(blank, filling.text))]
        output.write("\n".join(lines) + "\n\n")

    return write


def _prob(candidate: Candidate) -> str:
    return f"{candidate.prob:.4f}" if candidate.prob >= 0.0005 else f"{candidate.prob:.0e}"


def _shown(text: str) -> str:
    return visible(text.replace("\n", " ").replace("\t", " "))


_WRITERS: dict[tuple[bool, str], Callable[[TextOutput, str], Write]] = {
    (False, "jsonl"): _filling_jsonl,
    (False, "text"): _filling_text,
    (False, "terminal"): _filling_terminal,
    (True, "jsonl"): _perplexity_jsonl,
    (True, "tsv"): _perplexity_tsv,
    (True, "terminal"): _perplexity_terminal,
}
