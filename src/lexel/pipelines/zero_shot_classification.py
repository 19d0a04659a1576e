"""transformers' zero-shot-classification pipeline, on Lexel's engines.

Keys, shapes and scores are those of transformers; ``docs/compatibility.md`` lists the differences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lexel.errors import LabelError
from lexel.tasks.base import Flow
from lexel.tasks.loading import describe_flow
from lexel.tasks.unknown_arguments import refuse_unknown
from lexel.tasks.zero_shot import Inference, hypotheses_of, score_hypotheses

Result = dict[str, Any]

OPTIONS = ("candidate_labels", "hypothesis_template", "multi_label", "batch_size", "num_workers")
"""Keywords of the pipeline and its calls."""

_USUAL_TEMPLATE = "This example is {}."


class ZeroShotClassificationPipeline:
    """Classifies texts into the labels of a call, like transformers' pipeline of this name.

    Safe to call from several threads. Made by ``lexel.pipeline``.

    Attributes:
        task: ``zero-shot-classification``.
        options: Default options; a call can override them.
    """

    task = "zero-shot-classification"

    def __init__(self, flow: Flow, options: Mapping[str, Any]) -> None:
        head = flow.checkpoint.heads[flow.outputs[0]]
        self._flow = flow
        self._inference = Inference.of(head.labels, f"{flow.checkpoint.source.folder}: head {head.name}")
        self.options: dict[str, Any] = dict(options)

    def __call__(self, sequences: Any, candidate_labels: Any = None, **options: Any) -> Any:
        """Classify a text, several, or a stream of them.

        Args:
            sequences: A text, a list of texts, or any other iterable of them.
            candidate_labels: The labels: a list, or a string separated by commas.
            options: ``hypothesis_template`` and ``multi_label``.

        Returns:
            For a text, a dict with ``sequence``, ``labels`` and ``scores``, best first; for a list, a list of such
            dicts; for any other iterable, an iterator.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If labels or template cannot be used, or there is no text.
        """
        refuse_unknown(options, known=OPTIONS, refused={}, where=f"{self.task} pipeline")
        asked = {**self.options, **options}
        labels = _labels_of(asked.get("candidate_labels") if candidate_labels is None else candidate_labels)
        try:
            hypotheses = hypotheses_of(labels, asked.get("hypothesis_template", _USUAL_TEMPLATE))
        except LabelError as error:
            raise ValueError(str(error)) from error
        each = bool(asked.get("multi_label", False)) or len(labels) == 1
        if isinstance(sequences, str):
            return next(self._stream([sequences], labels, hypotheses, each=each))
        results = self._stream(sequences, labels, hypotheses, each=each)
        return list(results) if isinstance(sequences, list | tuple) else results

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def _stream(
        self, sequences: Iterable[Any], labels: Sequence[str], hypotheses: Sequence[str], *, each: bool
    ) -> Iterator[Result]:
        waiting: deque[str] = deque()

        def texts() -> Iterator[str]:
            for number, text in enumerate(sequences):
                if not isinstance(text, str) or not text:
                    raise ValueError(f"sequence {number}: {text!r:.60}; expected a text")
                waiting.append(text)
                yield text

        for one in score_hypotheses(self._flow, texts(), hypotheses):
            probs = self._inference.probs(one.scores, each=each)[0]
            order = np.argsort(-probs, kind="stable").tolist()
            yield {
                "sequence": waiting.popleft(),
                "labels": [labels[i] for i in order],
                "scores": [float(probs[i]) for i in order],
            }


def _labels_of(given: Any) -> list[str]:
    if isinstance(given, str):
        return [label for part in given.split(",") if (label := part.strip())]
    return list(given or ())
