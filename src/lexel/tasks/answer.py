"""Answers to questions, as spans of a context of any length.

Each window of the context holds the whole question. A span's score is the score of its start plus that of its end; if
several windows hold the span, the best one counts. The null answer ("the context does not say") has the score of a
window's first piece (``[CLS]``) as start and end. Over all windows, its *lowest* score counts, since one window with
the answer is enough (SQuAD 2.0's rule for BERT). Probabilities are a softmax over all spans of the context and the
null answer, so they are comparable between windows and sum to at most 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from lexel.data.offsets import unit_positions
from lexel.decoding.answers import WindowScores, join_windows, log_total, rule_out, take_best
from lexel.engines.choose import EngineKeywords, EngineOptions, describe
from lexel.errors import DataError
from lexel.tasks.base import Block, Flow, Pair, block_of_pairs
from lexel.tasks.checks import check_length
from lexel.tasks.framing import Layout, firsts, windowed
from lexel.tasks.loading import Source, announce, describe_flow, find_head, load_checkpoint, start_flow
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.streaming import FlowSteps, OnError, read_one, stream_results

Align = Literal["words"]

MAX_ANSWER_PIECES = 50
"""Default maximum number of pieces in an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context.

    Attributes:
        start: First character.
        end: One past the last.
        text: ``context[start:end]``.
        score: Probability that this is the answer.
    """

    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a question.

    Attributes:
        question: The question.
        context: The text that may answer it.
        answers: The best spans, without overlaps, best first.
        null_score: Probability that the context does not answer.
        null_margin: Score of the null answer minus that of the best span, before the softmax. ``null_threshold`` is
            compared with it.
        n_windows: Number of windows that the context was read in.
        best: The answer: the best span, or ``None`` if there is none or the null answer won.
    """

    question: str
    context: str
    answers: tuple[Answer, ...]
    null_score: float
    null_margin: float
    n_windows: int
    best: Answer | None

    def record(self, *, unit: str = "char") -> dict[str, Any]:
        """The answers as a JSON record.

        Args:
            unit: Unit of the offsets: ``char``, ``utf16`` or ``byte``.
        """
        positions = unit_positions(self.context, unit)

        def record_of(answer: Answer) -> dict[str, Any]:
            edges = [answer.start, answer.end] if positions is None else positions[[answer.start, answer.end]].tolist()
            return {"start": edges[0], "end": edges[1], "text": answer.text, "score": round(answer.score, 6)}

        return {
            "question": self.question,
            "answer": None if self.best is None else self.best.text,
            "answers": [record_of(answer) for answer in self.answers],
            "null_score": round(self.null_score, 6),
            "null_margin": round(self.null_margin, 6) if np.isfinite(self.null_margin) else None,
            "n_windows": self.n_windows,
            "offset_unit": unit,
        }


class AnswerKeywords(TypedDict, total=False):
    """The fields of ``AnswerOptions`` as keywords of ``load`` and of calls."""

    top_k: int
    max_answer_pieces: int
    max_answer_chars: int | None
    null_threshold: float | None
    align: Align | None
    window: int | None
    overlap: int | None
    max_chars: int | None


class AnswerLoadKeywords(EngineKeywords, AnswerKeywords, total=False):
    """The keywords of ``Answerer.load``."""


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How to find answers: defaults of an answerer, or the options of one call.

    Attributes:
        top_k: Maximum number of spans per question.
        max_answer_pieces: Maximum number of pieces in an answer.
        max_answer_chars: Maximum number of characters in an answer; ``None`` for no limit.
        null_threshold: Return no answer if the margin of the null answer is above this; ``None`` always returns one.
        align: ``words`` widens answers to whole words of the tokenizer, for scripts with spaces between words.
        window: Maximum number of pieces in a window, with the question; ``None`` is the model's limit.
        overlap: Pieces of the context that neighbouring windows share; ``None`` is up to 128, a quarter at most.
        max_chars: Refuse longer contexts; ``None`` for no limit.
    """

    top_k: int = 1
    max_answer_pieces: int = MAX_ANSWER_PIECES
    max_answer_chars: int | None = None
    null_threshold: float | None = None
    align: Align | None = None
    window: int | None = None
    overlap: int | None = None
    max_chars: int | None = None

    def __post_init__(self) -> None:
        for name in ("top_k", "max_answer_pieces", "max_answer_chars", "window", "max_chars"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if self.overlap is not None and self.overlap < 0:
            raise ValueError(f"overlap is {self.overlap}; expected 0 or more")
        if self.align not in (None, "words"):
            raise ValueError(f"align is {self.align!r}; expected 'words', or None for the pieces' own edges")


class Answerer:
    """Finds answers in contexts. Safe to call from several threads.

    Create one with ``Answerer.load``.

    Attributes:
        options: Default options; a call can override them.
    """

    def __init__(self, flow: Flow, options: AnswerOptions) -> None:
        self._flow = flow
        self.options = options

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        revision: str | None = None,
        head: str | None = None,
        script: str = "as-is",
        pieces: str | None = None,
        options: EngineOptions | None = None,
        **keywords: Unpack[AnswerLoadKeywords],
    ) -> Answerer:
        """Load a checkpoint with a head for answers.

        Args:
            source: A model folder, a hub id (also ``owner/name@revision``), or an opened checkpoint.
            revision: Branch, tag or commit of a hub id.
            head: The head to use, if the folder has several for answers.
            script: Convert texts to the script that the model reads, ``simplified`` or ``traditional``; ``as-is``
                converts nothing.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``AnswerOptions`` (``top_k``, ``max_answer_pieces``, ``max_answer_chars``,
                ``null_threshold``, ``align``, ``window``, ``overlap``, ``max_chars``); the latter are defaults that a
                call can override.

        Raises:
            CheckpointError: If the checkpoint cannot be used.
            LabelError: If it has no head for answers; the message names the heads that it has.
            EngineError: If this machine cannot run the requested engine, device or precision.
        """
        computing, usual = options_of_load(AnswerOptions(), options, keywords, load=cls.load)
        checkpoint = load_checkpoint(source, revision=revision, pieces=pieces)
        outputs = [find_head(checkpoint, "answer", name=head).name]
        flow = start_flow(checkpoint, outputs, computing, script=script)
        announce(flow)
        return cls(flow, usual)

    def __call__(
        self, question: str, context: str, *, options: AnswerOptions | None = None, **changes: Unpack[AnswerKeywords]
    ) -> Answers:
        """Find the answer to one question in its context.

        Args:
            question: The question.
            context: The text that may answer it.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call: ``top_k``, ``max_answer_pieces``, ``max_answer_chars``,
                ``null_threshold``, ``align``, ``window``, ``overlap``, ``max_chars``; see ``AnswerOptions``.

        Raises:
            TypeError: If either is not a string, or an option is unknown.
            DataError: If the question is blank or leaves no room for the context in a window, or the context is longer
                than ``max_chars``.
        """
        return read_one(self._steps(self._asked(options, changes)), (question, context))

    def stream(
        self,
        questions: Iterable[tuple[str, str]],
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: AnswerOptions | None = None,
        **changes: Unpack[AnswerKeywords],
    ) -> Iterator[Answers]:
        """Answer (question, context) pairs lazily: one ``Answers`` for each, in order.

        Args:
            questions: Pairs of a question and its context.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        return stream_results(self._steps(self._asked(options, changes)), questions, on_error=on_error, live=live)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def __repr__(self) -> str:
        return f"<Answerer: {describe(self._flow.engine)}>"

    @property
    def flow(self) -> Flow:
        """The checkpoint and its engine."""
        return self._flow

    def _asked(self, options: AnswerOptions | None, changes: AnswerKeywords) -> AnswerOptions:
        """The options of one call."""
        return options_of_call(self.options, options, changes, where="Answerer")

    def _steps(self, options: AnswerOptions) -> FlowSteps[tuple[str, str], Pair, Answers]:
        """How questions are read with their contexts."""
        size = options.window
        if size is not None:
            size = max(size - n_special_of_pairs(self._flow), 1)

        def results_of(pairs: Sequence[Pair], block: Block) -> list[Answers]:
            read = read_contexts(block, self._flow)
            return [
                _of_context(pair.partner or "", one.without_blanks(), options)
                for pair, one in zip(pairs, read, strict=True)
            ]

        return FlowSteps(
            (self._flow,),
            check=partial(_check_question, max_chars=options.max_chars),
            size=lambda pair: len(pair.text) + len(pair.partner or ""),
            block_of=block_of_pairs,
            results_of=results_of,
            how={"window": size, "overlap": options.overlap, "picks": candidates, "read_empty": True},
        )


def _check_question(number: int, asked: tuple[str, str], *, max_chars: int | None) -> Pair:
    if not isinstance(asked, tuple | list) or len(asked) != 2:
        raise TypeError(f"question {number}: expected a question and its context, found {asked!r:.60}")
    question, context = asked
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            raise TypeError(f"{name} {number}: expected str, found {type(text).__name__}")
    if not question.strip():
        raise DataError(f"question {number}: is blank; expected a question about its context")
    check_length(context, what=f"context {number}", max_chars=max_chars)
    return Pair(context, partner=question, partner_first=True)


def _of_context(question: str, read: ReadContext, options: AnswerOptions) -> Answers:
    n_pieces = len(read.starts)
    longest = max(min(options.max_answer_pieces, n_pieces), 1)
    band = join_windows(read.windows, n_pieces=n_pieces, longest=longest)
    rule_out(band, read.starts, read.ends, max_chars=options.max_answer_chars)
    null = float(read.nulls.min())
    total = log_total(band, null)
    edges = read.words_of if options.align == "words" else read.chars_of
    found = take_best(band, n=options.top_k, reach=lambda first, end: read.pieces_in(*edges(first, end)))
    answers = tuple(
        Answer(start, stop, read.context[start:stop], float(np.exp(score - total)))
        for first, end, score in found
        for start, stop in [edges(first, end)]
    )
    margin = null - (found[0][2] if found else -np.inf)
    refused = options.null_threshold is not None and margin > options.null_threshold
    return Answers(
        question=question,
        context=read.context,
        answers=answers,
        null_score=float(np.exp(null - total)),
        null_margin=margin,
        n_windows=len(read.windows),
        best=None if refused or not answers else answers[0],
    )


@dataclass(frozen=True, slots=True)
class ReadContext:
    """A context and the head's scores for it.

    Attributes:
        context: The text.
        starts: First character of each of its pieces, ``[pieces]``.
        ends: One past each piece's last character, ``[pieces]``.
        words: The pre-tokeniser's word of each piece, ``[pieces]``.
        windows: The scores of its windows, in order.
        firsts: The two scores of each window's first piece, which is a special piece, ``[windows, 2]``.
    """

    context: str
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    words: NDArray[np.int32]
    windows: Sequence[WindowScores]
    firsts: NDArray[np.floating]

    @property
    def nulls(self) -> NDArray[np.floating]:
        """Score of the null answer in each window: the scores of its first piece as start and end, ``[windows]``."""
        return np.asarray(self.firsts.sum(axis=1))

    def without_blanks(self) -> ReadContext:
        """``ends``, but pieces that are only white space (a lone ``▁``) end where the piece before them does.

        So no answer ends in white space, and the values never decrease.
        """
        if not len(self.ends):
            return self
        return replace(self, ends=np.maximum.accumulate(np.where(self.ends > self.starts, self.ends, 0)))

    def chars_of(self, first: int, end: int) -> tuple[int, int]:
        """The characters of the pieces ``[first, end)`` in the context."""
        return int(self.starts[first]), int(self.ends[end - 1])

    def words_of(self, first: int, end: int, *, inside: slice = slice(None)) -> tuple[int, int]:
        """The same, widened to whole words of the pre-tokeniser, as far as their pieces are in ``inside``."""
        begin, stop, _ = inside.indices(len(self.words))
        low = max(int(np.searchsorted(self.words, self.words[first], side="left")), begin)
        high = min(int(np.searchsorted(self.words, self.words[end - 1], side="right")), stop)
        return int(self.starts[low]), int(self.ends[high - 1])

    def pieces_in(self, start: int, end: int) -> tuple[int, int]:
        """The pieces that overlap the characters ``[start, end)``; ``ends`` must not decrease."""
        return int(np.searchsorted(self.ends, start, side="right")), int(np.searchsorted(self.starts, end, side="left"))


def candidates(layout: Layout) -> NDArray[np.bool_]:
    """The slots to score: every piece of the context, and each window's first piece, for the null answer."""
    return firsts(layout) | windowed(layout)


def n_special_of_pairs(flow: Flow) -> int:
    """Number of special pieces around and between two texts."""
    special = flow.tokenizer.special
    return len(special.pair_prefix) + len(special.pair_middle) + len(special.pair_suffix)


def read_contexts(block: Block, flow: Flow) -> Iterator[ReadContext]:
    """The contexts of a block that was read with ``candidates``, in order."""
    reading = block.readings[flow.name]
    pieces, scores = reading.pieces, reading.scores[flow.outputs[0]]
    heads = np.flatnonzero(reading.piece < 0)  # each window begins with a special piece
    edges = np.append(heads, len(scores))
    of_text = np.searchsorted(reading.windows.text, np.arange(len(block.texts) + 1))
    for i, context in enumerate(block.texts):
        low, high = pieces.bounds[i : i + 2]
        own = range(of_text[i], of_text[i + 1])
        yield ReadContext(
            context,
            pieces.starts[low:high],
            pieces.ends[low:high],
            pieces.words[low:high],
            [WindowScores(int(reading.windows.start[k] - low), scores[edges[k] + 1 : edges[k + 1]]) for k in own],
            scores[heads[own.start : own.stop]],
        )
