"""transformers' text-classification pipeline, on Lexel's engines.

Keys, shapes and scores are those of transformers; ``docs/compatibility.md`` lists the differences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.classes import FUNCTIONS, Function, apply_function
from lexel.tasks.base import Flow, Pair
from lexel.tasks.classify import Text, function_of_problem, pair_of, score_texts
from lexel.tasks.loading import describe_flow
from lexel.tasks.unknown_arguments import refuse_unknown

NO_EFFECT = ("batch_size", "num_workers", "padding")
"""Arguments accepted for compatibility, without effect: rows are packed by pieces."""

Result = dict[str, Any]
_UNSAID: Any = object()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options for the pipeline or for a call.

    Attributes:
        function_to_apply: ``softmax``, ``sigmoid`` or ``none``; by default as the model was trained.
        top_k: Number of classes; ``None`` is all. By default one, without a list.
        truncation: Whether only the first window of a text is read.
        max_length: Maximum length of a sequence, special pieces included; longer texts are truncated.
    """

    function_to_apply: Function | None = None
    top_k: int | None = _UNSAID
    truncation: bool = False
    max_length: int | None = None

    def changed(self, given: Mapping[str, Any], *, where: str) -> ReadOptions:
        """A copy with changes.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If a value is invalid.
        """
        refuse_unknown(given, known=OPTIONS, refused={"return_all_scores": "pass top_k=None"}, where=where)
        changes = {name: value for name, value in given.items() if name not in NO_EFFECT}
        if (function := changes.get("function_to_apply")) is not None:
            name = str(getattr(function, "name", function)).lower()
            if name not in FUNCTIONS:
                raise ValueError(f"function_to_apply is {function!r}; expected one of {', '.join(FUNCTIONS)}")
            changes["function_to_apply"] = name
        if "truncation" in changes:
            changes["truncation"] = changes["truncation"] not in (False, None, "do_not_truncate")
        top_k = changes.get("top_k", 1)
        if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
            raise ValueError(f"top_k is {top_k!r}; expected 1 or more, or None for all")
        return replace(self, **changes)

    @property
    def cuts(self) -> bool:
        """Whether long texts are truncated."""
        return self.truncation or self.max_length is not None


OPTIONS = (*(part.name for part in fields(ReadOptions)), *NO_EFFECT)
"""Keywords of the text-classification pipeline and its calls."""


class TextClassificationPipeline:
    """Classifies texts like transformers' pipeline of this name. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``text-classification``.
        options: Default options; a call can override them.
    """

    task = "text-classification"

    def __init__(self, flow: Flow, options: ReadOptions) -> None:
        self._flow = flow
        self._labels = flow.checkpoint.heads[flow.outputs[0]].labels
        self.options = options
        self._window(options)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Classify a text or pair, several, or a stream of them.

        Args:
            inputs: A text, ``{"text": ..., "text_pair": ...}``, a list of such, or any other iterable of them.
            options: Changes to ``self.options`` for this call.

        Returns:
            For a text, a list of one result (as in transformers, unless the call has ``top_k``); for a dict, its
            result; for a list, a list of results; for any other iterable, an iterator. A result is a dict with
            ``label`` and ``score``, or with ``top_k`` a list of such dicts, best first.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If an argument has an invalid value, or an input is not a string.
        """
        changed = self.options.changed(options, where=f"{self.task} pipeline")
        window = self._window(changed)
        if isinstance(inputs, str | Mapping):
            result = next(self._stream([inputs], changed, window))
            return [result] if isinstance(inputs, str) and "top_k" not in options else result
        results = self._stream(inputs, changed, window)
        return list(results) if isinstance(inputs, list | tuple) else results

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    @cached_property
    def _usual_function(self) -> Function:
        """The same default as transformers' pipeline, which ignores the setting of a cross-encoder's folder."""
        checkpoint = self._flow.checkpoint
        return function_of_problem(checkpoint, checkpoint.heads[self._flow.outputs[0]])

    def _window(self, options: ReadOptions) -> int | None:
        if options.max_length is None:
            return None
        special = self._flow.tokenizer.special
        around = len(special.prefix) + len(special.suffix)
        if not around < options.max_length <= self._flow.window + around:
            raise ValueError(
                f"max_length is {options.max_length}; expected {around + 1} to {self._flow.window + around}, the "
                "model's longest sequence"
            )
        return options.max_length - around

    def _stream(self, inputs: Iterable[Any], options: ReadOptions, window: int | None) -> Iterator[Any]:
        waiting: deque[Text] = deque()

        def pairs() -> Iterator[Pair]:
            for number, item in enumerate(inputs):
                waiting.append(_text_of(item, number))
                if options.max_length is not None and not isinstance(waiting[-1], str):
                    raise ValueError(f"input {number}: a pair, with max_length; expected single texts: pairs are whole")
                yield pair_of(waiting[-1])

        for block in score_texts(self._flow, pairs(), window=window, first_window=options.cuts):
            values = apply_function(block.scores, options.function_to_apply or self._usual_function)
            for scores, n_windows in zip(values, block.n_windows.tolist(), strict=True):
                if not isinstance(waiting.popleft(), str) and options.cuts and n_windows > 1:
                    raise ValueError("truncation: a pair is too long for a window; leave it out, and all of it is read")
                yield self._result(scores, options)

    def _result(self, scores: NDArray[np.float64], options: ReadOptions) -> Result | list[Result]:
        order = np.argsort(-scores, kind="stable").tolist()
        if options.top_k is _UNSAID:
            return {"label": self._labels[order[0]], "score": float(scores[order[0]])}
        return [{"label": self._labels[i], "score": float(scores[i])} for i in order[: options.top_k]]


def _text_of(item: Any, number: int) -> Text:
    """A text or a pair in any of the forms that transformers accepts."""
    if isinstance(item, Mapping):
        parts = [item.get("text"), item.get("text_pair")]
        if not item.keys() <= {"text", "text_pair"}:
            raise ValueError(f"input {number}: keys {', '.join(map(repr, item))}; expected 'text' and 'text_pair'")
    elif isinstance(item, list) and len(item) == 1 and isinstance(item[0], list) and len(item[0]) == 2:
        parts = item[0]
    else:
        parts = [item, None]
    text, pair = parts
    if not isinstance(text, str) or not isinstance(pair, str | None):
        raise ValueError(
            f"input {number}: {item!r:.60}; expected a text, or {{'text': ..., 'text_pair': ...}} for a pair of texts"
        )
    return text if pair is None else (text, pair)
