"""Zero-shot classification: any labels at call time, by a model of natural language inference.

Each class is turned into a hypothesis ("This example is sports."), and the model scores how much the text entails it
(Yin et al. 2019, https://arxiv.org/abs/1909.00161). The hypotheses of many texts are packed into the same rows.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.classes import DEFAULT_THRESHOLD, apply_function
from lexel.engines.choose import EngineKeywords, EngineOptions, describe
from lexel.errors import LabelError
from lexel.tasks.base import Block, Flow, Pair, gather_pairs
from lexel.tasks.checks import check_one, check_several, check_text
from lexel.tasks.classify import HOW, Classification, Rule, TextScores, score_texts, scores_of
from lexel.tasks.loading import Source, announce, describe_flow, find_head, load_checkpoint, start_flow
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.streaming import Job, OnError, read_one, stream_results

TEMPLATE = "This example is {}."
CHINESE_TEMPLATE = "这段话是关于{}的。"
"""The default templates: the Chinese one is used if a label has Chinese characters."""

_ENTAILMENT = ("entail", "蕴含", "蘊含", "蕴涵", "蘊涵")
_CONTRADICTION = ("contradict", "not_entail", "non_entail", "not entail", "矛盾")
_CHINESE = re.compile("[\u4e00-\u9fff]")


class ZeroShotKeywords(TypedDict, total=False):
    """The fields of ``ZeroShotOptions`` as keywords of ``load`` and of calls."""

    template: str | None
    multi_label: bool
    threshold: float | None
    top_k: int | None
    max_chars: int | None


class ZeroShotLoadKeywords(EngineKeywords, ZeroShotKeywords, total=False):
    """The keywords of ``ZeroShotClassifier.load``, without the labels."""


@dataclass(frozen=True, slots=True)
class ZeroShotOptions:
    """How to classify texts: defaults of a classifier, or the options of one call.

    Attributes:
        template: The hypothesis, with ``{}`` in the place of the label; by default, Chinese or English by the labels.
        multi_label: Judge each label independently, so that any number of labels may apply, instead of exactly one.
        threshold: The minimum probability of a label; without ``multi_label``, of the best label.
        top_k: Number of labels in ``ranked``; by default all.
        max_chars: Refuse longer texts; ``None`` for no limit.
    """

    template: str | None = None
    multi_label: bool = False
    threshold: float | None = None
    top_k: int | None = None
    max_chars: int | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected 1 or more")

    def rule(self, labels: Sequence[str]) -> Rule:
        """How probabilities of these labels become classes; a single label is judged by itself."""
        is_multi = self.multi_label or len(labels) == 1
        least = DEFAULT_THRESHOLD if self.threshold is None and is_multi else self.threshold
        thresholds = None if least is None else np.full(len(labels), least)
        return Rule(labels, "none", is_multi=is_multi, thresholds=thresholds, top_k=self.top_k)


def hypotheses_of(labels: Sequence[str], template: str | None) -> list[str]:
    """The hypothesis of each label.

    Raises:
        LabelError: If there are no labels, one appears twice, or the template has no place for them.
    """
    if isinstance(labels, str):
        raise LabelError(f"labels: {labels!r} is one string; expected a list of labels")
    if not labels or not all(isinstance(label, str) and label.strip() for label in labels):
        raise LabelError(f"labels: {list(labels)!r}; expected one label or more, none of them blank")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if list(labels).count(label) > 1)
        raise LabelError(f"labels: {twice!r} appears twice; expected each label once")
    if template is None:
        template = CHINESE_TEMPLATE if any(map(_CHINESE.search, labels)) else TEMPLATE
    if not _has_place(template):
        raise LabelError(f"template: {template!r}; expected a sentence with {{}} where the label goes")
    return [template.format(label) for label in labels]


def _has_place(template: str) -> bool:
    """Whether a template has the place of a label, and nothing else in braces: a width can take all memory."""
    try:
        fields = [field for _, *field in Formatter().parse(template) if field[0] is not None]
    except (TypeError, ValueError):
        return False
    return fields == [["", "", None]] or (bool(fields) and all(field == ["0", "", None] for field in fields))


@dataclass(frozen=True, slots=True)
class Inference:
    """The indexes of a head's outputs for entailment and contradiction."""

    entailment: int
    contradiction: int

    @classmethod
    def of(cls, labels: Sequence[str], where: str) -> Inference:
        """Find the outputs by the labels' names.

        The contradiction is the label with that name; else, as in transformers, the first label, or the last one if the
        first is the entailment.

        Raises:
            LabelError: If no label means entailment, or it is the only label.
        """
        entailment = _named(labels, _ENTAILMENT)
        if entailment is None or len(labels) < 2:
            raise LabelError(
                f"{where}: its labels are {', '.join(labels)}; expected one that means entailment, beside others: a "
                "model of natural language inference. Name it in id2label of config.json if it is one"
            )
        found = _named(labels, _CONTRADICTION)
        other = len(labels) - 1 if entailment == 0 else 0
        return cls(entailment, other if found is None else found)

    def probs(self, scores: NDArray[np.float64], *, each: bool) -> NDArray[np.float64]:
        """Probabilities of labels, ``[texts, labels]``, from scores of their hypotheses, ``[texts, labels, outputs]``.

        Args:
            scores: The head's scores before any function.
            each: Whether each label is judged by itself, entailment against contradiction, instead of against the other
                labels.
        """
        if not each:
            return apply_function(scores[..., self.entailment], "softmax")
        return apply_function(scores[..., self.entailment] - scores[..., self.contradiction], "sigmoid")


def _named(labels: Sequence[str], beginnings: tuple[str, ...]) -> int | None:
    return next((i for i, label in enumerate(labels) if label.lower().startswith(beginnings)), None)


def score_hypotheses(
    flow: Flow, texts: Iterable[str], hypotheses: Sequence[str], *, window: int | None = None
) -> Iterator[TextScores]:
    """The scores of every hypothesis for each text, ``[1, hypotheses, outputs]``; the text comes first in a pair.

    A long text is read in windows, each with the hypothesis. The longest hypothesis decides the number of windows for
    all of them.
    """
    pairs = (Pair(text, hypothesis) for text in texts for hypothesis in hypotheses)
    size = len(hypotheses)
    scores: list[NDArray[np.float64]] = []
    n_windows: list[int] = []
    for block in score_texts(flow, pairs, window=window):
        scores += list(block.scores)
        n_windows += block.n_windows.tolist()
        whole = len(scores) // size * size
        for start in range(0, whole, size):
            most = max(n_windows[start : start + size])
            yield TextScores(np.array([scores[start : start + size]]), np.array([most]))
        del scores[:whole], n_windows[:whole]


class ZeroShotClassifier:
    """Classifies texts into any labels. Safe to call from several threads.

    Create one with ``ZeroShotClassifier.load``.

    Attributes:
        labels: Default labels; a call can override them.
        options: Default options; a call can override them.
    """

    def __init__(self, flow: Flow, labels: Sequence[str], *, options: ZeroShotOptions) -> None:
        self._flow = flow
        head = flow.checkpoint.heads[flow.outputs[0]]
        self._inference = Inference.of(head.labels, f"{flow.checkpoint.source.folder}: head {head.name}")
        hypotheses_of(labels, options.template)
        self.labels: tuple[str, ...] = tuple(labels)
        self.options = options

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        labels: Sequence[str],
        revision: str | None = None,
        pieces: str | None = None,
        script: str = "as-is",
        head: str | None = None,
        options: EngineOptions | None = None,
        **keywords: Unpack[ZeroShotLoadKeywords],
    ) -> ZeroShotClassifier:
        """Load a model of natural language inference.

        Args:
            source: A model folder, a hub id (also ``owner/name@revision``), or an opened checkpoint.
            labels: The default labels.
            revision: Branch, tag or commit of a hub id.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            script: Convert texts to the script that the model reads, ``simplified`` or ``traditional``; ``as-is``
                converts nothing.
            head: The head to use, if the folder has several that classify.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``ZeroShotOptions`` (``template``, ``multi_label``, ``threshold``, ``top_k``,
                ``max_chars``); the latter are defaults that a call can override.

        Raises:
            CheckpointError: If the checkpoint cannot be used.
            LabelError: If it has no head that classifies, that head has no label for entailment, or the labels or the
                template cannot be used.
            EngineError: If this machine cannot run the requested engine, device or precision.
        """
        computing, usual = options_of_load(ZeroShotOptions(), options, keywords, load=cls.load)
        checkpoint = load_checkpoint(source, revision=revision, pieces=pieces)
        found = find_head(checkpoint, "classify", name=head)
        Inference.of(found.labels, f"{checkpoint.source.folder}: head {found.name}")  # before anything is computed
        hypotheses_of(labels, usual.template)
        flow = start_flow(checkpoint, [found.name], computing, script=script)
        classifier = cls(flow, labels, options=usual)
        announce(flow)
        return classifier

    def __call__(
        self,
        text: str,
        labels: Sequence[str] | None = None,
        *,
        options: ZeroShotOptions | None = None,
        **changes: Unpack[ZeroShotKeywords],
    ) -> Classification:
        """Classify one text.

        Args:
            text: The text.
            labels: Labels to use instead of ``self.labels``.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call: ``template``, ``multi_label``, ``threshold``, ``top_k``,
                ``max_chars``; see ``ZeroShotOptions``.

        Raises:
            TypeError: If ``text`` is not a string, or an option is unknown.
            LabelError: If labels or template cannot be used.
            DataError: If a hypothesis is too long for a window.
        """
        check_one(text)
        return read_one(self._steps(labels, options, changes), text)

    def stream(
        self,
        texts: Iterable[str],
        labels: Sequence[str] | None = None,
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: ZeroShotOptions | None = None,
        **changes: Unpack[ZeroShotKeywords],
    ) -> Iterator[Classification]:
        """Classify texts lazily: one result for each, in order.

        Args:
            texts: The texts.
            labels: Labels to use instead of ``self.labels``.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        check_several(texts, reader="classifier")
        return stream_results(self._steps(labels, options, changes), texts, on_error=on_error, live=live)

    @cached_property
    def description(self) -> str:
        """The model, the engine and the first hypothesis, one line each."""
        first = hypotheses_of(self.labels, self.options.template)[0]
        return f"{describe_flow(self._flow)}\nhypothesis: {first}"

    def __repr__(self) -> str:
        return f"<ZeroShotClassifier of {', '.join(self.labels)}: {describe(self._flow.engine)}>"

    @property
    def flow(self) -> Flow:
        """The checkpoint and its engine."""
        return self._flow

    def _steps(
        self, labels: Sequence[str] | None, options: ZeroShotOptions | None, changes: ZeroShotKeywords
    ) -> _Steps:
        """How texts are read."""
        asked = options_of_call(self.options, options, changes, where="ZeroShotClassifier")
        chosen = self.labels if labels is None else labels
        hypotheses, rule = hypotheses_of(chosen, asked.template), asked.rule(tuple(chosen))
        return _Steps(self._flow, hypotheses, rule, self._inference, max_chars=asked.max_chars)


class _Steps:
    """How texts are read with every hypothesis; a text with many of them may take several blocks."""

    def __init__(
        self, flow: Flow, hypotheses: Sequence[str], rule: Rule, inference: Inference, *, max_chars: int | None
    ) -> None:
        self._flow = flow
        self._hypotheses = hypotheses
        self._rule = rule
        self._inference = inference
        self._max_chars = max_chars

    def check(self, number: int, text: str) -> str:
        """See ``Steps.check``."""
        if isinstance(text, tuple):
            raise TypeError(f"text {number}: expected a str, found a pair; hypotheses are made of the labels")
        return check_text(number, text, max_chars=self._max_chars)

    def size(self, text: str) -> int:
        """See ``Steps.size``."""
        return len(self._hypotheses) * len(text) + sum(map(len, self._hypotheses))

    def kind(self, text: str) -> object:
        """See ``Steps.kind``."""
        return None

    def read(self, lists: Iterable[Sequence[str]]) -> Iterator[Sequence[Classification]]:
        """See ``Steps.read``."""
        waiting: deque[Sequence[str]] = deque()
        found: list[TextScores] = []

        def blocks() -> Iterator[Block]:
            for texts in lists:
                waiting.append(texts)
                yield from self._blocks(texts) if texts else (Block(()),)

        for block in self._flow.read(blocks(), **HOW):
            if not block.texts:
                waiting.popleft()
                yield ()
                continue
            found.append(scores_of(block, self._flow))
            if sum(len(scores.n_windows) for scores in found) == len(waiting[0]) * len(self._hypotheses):
                yield self._classifications(waiting.popleft(), found)
                found = []

    def job(self, texts: Sequence[str]) -> Job[Classification]:
        """See ``Steps.job``."""
        prepared = [self._flow.prepare(block, **HOW) for block in self._blocks(texts)]
        yield [(self._flow, one) for one in prepared]
        for one in prepared:
            self._flow.finish(one)
        return self._classifications(texts, [scores_of(one.block, self._flow) for one in prepared])

    def _blocks(self, texts: Sequence[str]) -> Iterator[Block]:
        return gather_pairs(Pair(text, hypothesis) for text in texts for hypothesis in self._hypotheses)

    def _classifications(self, texts: Sequence[str], found: Sequence[TextScores]) -> list[Classification]:
        shape = len(texts), len(self._hypotheses)
        scores = np.concatenate([one.scores for one in found]).reshape(*shape, -1)
        n_windows = np.concatenate([one.n_windows for one in found]).reshape(shape).max(axis=1)
        probs = self._inference.probs(scores, each=self._rule.is_multi)
        return list(self._rule.decide(TextScores(probs, n_windows), iter(texts).__next__))
