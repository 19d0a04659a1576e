"""The question-answering pipeline of transformers 4, which transformers 5 no longer has.

Its rules, which differ from those of ``Answerer``: starts and ends each have a softmax over the context's pieces and
the first piece of each *window*; a span's score is the product of the two; the best ``top_k`` of each window are
combined, and the scores of answers with the same text (ignoring case) are added.

pipe(question="...", context="...")      # {"score": 0.97, "start": 11, "end": 18, "answer": "..."}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.answers import band_of
from lexel.tasks.answer import ReadContext, candidates, n_special_of_pairs, read_contexts
from lexel.tasks.base import Flow, Pair, gather_pairs
from lexel.tasks.loading import describe_flow
from lexel.tasks.unknown_arguments import refuse_unknown

Found = dict[str, Any]

MAX_SEQ_LEN, DOC_STRIDE = 384, 128
NO_EFFECT = ("padding", "max_question_len", "batch_size", "num_workers")
"""Arguments accepted for compatibility, without effect; fast tokenizers also ignored the second."""


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """Options for the pipeline or for a call.

    Attributes:
        top_k: Maximum number of answers to a question.
        doc_stride: Pieces that neighbouring windows share; by default 128, at most half a window.
        max_answer_len: Maximum number of pieces in an answer.
        max_seq_len: Maximum number of pieces in a window, with the question and special pieces; by default 384, or the
            model's limit.
        handle_impossible_answer: Whether the empty answer is ranked with the others.
        align_to_words: Whether answers are widened to whole words of the tokenizer.
    """

    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True

    def __post_init__(self) -> None:
        for name in ("top_k", "max_answer_len", "max_seq_len"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if self.doc_stride is not None and self.doc_stride < 0:
            raise ValueError(f"doc_stride is {self.doc_stride}; expected 0 or more")

    def changed(self, given: Mapping[str, Any], *, where: str) -> QuestionOptions:
        """A copy with changes; ``None`` changes nothing.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If a value is invalid.
        """
        refuse_unknown(given, known=OPTIONS, refused={}, where=where)
        changes = {name: value for name, value in given.items() if value is not None and name not in NO_EFFECT}
        older = changes.pop("topk", None)
        return replace(self, **({} if older is None else {"top_k": older}) | changes)


OPTIONS = (*(field.name for field in fields(QuestionOptions)), "topk", *NO_EFFECT)
"""Keywords of the pipeline and its calls; ``topk`` is the older name of ``top_k``."""


class QuestionAnsweringPipeline:
    """Finds answers in contexts like transformers' pipeline of this name. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``question-answering``.
        options: Default options; a call can override them.
    """

    task = "question-answering"

    def __init__(self, flow: Flow, options: QuestionOptions) -> None:
        self._flow = flow
        self.options = options
        self._window(options)

    def __call__(self, *inputs: Any, **given: Any) -> Any:
        """Answer one question, several, or a stream of them.

        Args:
            inputs: A mapping with ``question`` and ``context``, a list of such, or any other iterable of them.
            given: ``question`` and ``context`` by name, each a str or a list (a list of questions may share one
                context); and changes to ``self.options`` for this call.

        Returns:
            For one question, in a list or not, its result: a dict with ``score``, ``start``, ``end`` and ``answer``
            for one answer, else a list of such dicts, best first. For several questions, a list of results; for a
            stream, an iterator that reads lazily.

        Raises:
            TypeError: If an argument is unknown, or there are no questions with contexts.
            ValueError: If a question or context is empty, or an argument has an invalid value.
            DataError: If a question leaves no room for its context in a window.
        """
        examples: dict[str, Any] = {name: given.pop(name) for name in ("question", "context") if name in given}
        options = self.options.changed(given, where=f"{self.task} pipeline")
        asked = _examples(inputs, examples)
        if isinstance(asked, list):
            found = list(self._stream(asked, options))
            return found[0] if len(found) == 1 else found
        return self._stream(asked, options)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def _window(self, options: QuestionOptions) -> tuple[int, int]:
        """Pieces of a window without special ones, and number of pieces that neighbouring windows share."""
        n_special = n_special_of_pairs(self._flow)
        longest = self._flow.window + len(self._flow.tokenizer.special.prefix + self._flow.tokenizer.special.suffix)
        size = min(options.max_seq_len or MAX_SEQ_LEN, longest)
        stride = min(size // 2, DOC_STRIDE) if options.doc_stride is None else options.doc_stride
        if size <= n_special or stride >= size - n_special:
            raise ValueError(
                f"max_seq_len is {size} and doc_stride {stride}; expected windows with room for {n_special} special "
                "pieces, the question, and more of the context than neighbouring windows share"
            )
        return size - n_special, stride

    def _stream(self, examples: Iterable[Any], options: QuestionOptions) -> Iterator[Found | list[Found]]:
        size, stride = self._window(options)
        blocks = gather_pairs(_pair(example, number) for number, example in enumerate(examples))
        for block in self._flow.read(blocks, window=size, overlap=stride, picks=candidates, read_empty=True):
            for read in read_contexts(block, self._flow):
                found = _answers(read, options)
                yield found[0] if len(found) == 1 else found


def _answers(read: ReadContext, options: QuestionOptions) -> list[Found]:
    """The best answers of a context; one with score 0 if it has none."""
    by_text: dict[str, Found] = {}
    least_null = np.inf
    for first, window in zip(read.firsts, read.windows, strict=True):
        logs = _log_softmax(np.concatenate((first[None], window.scores)))
        least_null = min(least_null, float(np.exp(logs[0].sum())))
        inside = slice(window.first, window.first + len(window.scores))
        for start, end, score in _best_in_window(logs[1:], options):
            span = window.first + start, window.first + end
            place = read.words_of(*span, inside=inside) if options.align_to_words else read.chars_of(*span)
            text = read.context[slice(*place)]
            found = by_text.setdefault(text.lower(), _found(0.0, *place, text))
            found["score"] += score
    ranked = list(by_text.values())
    if options.handle_impossible_answer:
        ranked.append(_found(least_null, 0, 0, ""))
    return sorted(ranked, key=lambda found: -found["score"])[: options.top_k] or [_found(0.0, 0, 0, "")]


def _found(score: float, start: int, end: int, answer: str) -> Found:
    return {"score": score, "start": start, "end": end, "answer": answer}


def _log_softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """The softmax of starts and of ends, each over the pieces, ``[pieces, 2]``."""
    raised = scores - scores.max(axis=0)
    return np.asarray(raised - np.log(np.exp(raised).sum(axis=0)))


def _best_in_window(logs: NDArray[np.floating], options: QuestionOptions) -> Iterator[tuple[int, int, float]]:
    """The best spans of a window's pieces, ``[start, end)``, with their scores."""
    longest = min(options.max_answer_len, len(logs))
    if not longest:
        return
    band = band_of(logs, longest=longest).ravel()
    best = np.argpartition(-band, min(options.top_k, len(band)) - 1)[: options.top_k]
    for place in best[np.argsort(-band[best], kind="stable")].tolist():
        if band[place] > -np.inf:
            start, more = divmod(place, longest)
            yield start, start + more + 1, float(np.exp(band[place]))


def _examples(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any] | Iterable[Any]:
    """The questions with their contexts: a list, or an iterable that is read lazily."""
    if bool(inputs) == bool(named):
        raise TypeError("question-answering pipeline: expected question=... and context=..., or mappings with the two")
    if named:
        return _by_name(**{"question": None, "context": None, **named})
    if len(inputs) > 1:
        return list(inputs)
    (given,) = inputs
    if isinstance(given, Mapping):
        return [given]
    if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise TypeError(f"inputs: found a {type(given).__name__}; expected a mapping with question and context")
    return list(given) if isinstance(given, list | tuple) else given


def _by_name(question: Any, context: Any) -> list[Any]:
    if isinstance(question, str) and isinstance(context, str):
        return [{"question": question, "context": context}]
    if not isinstance(question, list) or not isinstance(context, str | list):
        kinds = f"{type(question).__name__} and {type(context).__name__}"
        raise TypeError(f"question and context: found {kinds}; expected two str, or lists of them")
    contexts = [context] * len(question) if isinstance(context, str) else context
    if len(contexts) != len(question):
        raise ValueError(f"{len(question)} questions and {len(contexts)} contexts; expected as many, or one context")
    return [{"question": one, "context": other} for one, other in zip(question, contexts, strict=True)]


def _pair(example: Any, number: int) -> Pair:
    """A question and its context for the flow."""
    if not isinstance(example, Mapping):
        raise TypeError(f"example {number}: found a {type(example).__name__}; expected question and context")
    question, context = example.get("question"), example.get("context")
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            raise TypeError(f"example {number}: {name} is a {type(text).__name__}; expected a str")
        if not text:
            raise ValueError(f"example {number}: {name} is empty; expected text")
    return Pair(str(context), partner=str(question), partner_first=True)
