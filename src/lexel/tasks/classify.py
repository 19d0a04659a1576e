"""Classifies texts and pairs of texts with a trained head.

A long text is read in windows. Their scores are averaged, weighted by the number of pieces that each window decides.
In a long pair, the longer text is read in windows, and each window holds the whole of the other one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.heads import PLAIN_CLASSIFIER
from lexel.data.classified import Classified
from lexel.decoding.classes import (
    DEFAULT_THRESHOLD,
    FUNCTIONS,
    Function,
    apply_function,
    best_thresholds,
    fit_temperature,
    join_windows,
)
from lexel.engines.choose import EngineKeywords, EngineOptions, describe
from lexel.errors import CheckpointError, DataError, LabelError
from lexel.names import PROBLEMS, Problem
from lexel.tasks.base import Block, Flow, Pair, block_of_pairs, gather_pairs
from lexel.tasks.calibration import Calibration
from lexel.tasks.checks import check_length, check_several
from lexel.tasks.framing import firsts
from lexel.tasks.loading import Source, announce, describe_flow, find_head, load_checkpoint, start_flow
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.streaming import FlowSteps, OnError, read_one, stream_results
from lexel.trust.contract import Expects

Text = str | tuple[str, str]
"""An input: a text, or a pair of texts."""

HOW: Mapping[str, Any] = {"picks": firsts, "read_empty": True}
"""How a flow reads texts that are classified; see ``Flow.prepare``."""

FUNCTION_OF: Mapping[Problem, Function] = {"single": "softmax", "multi": "sigmoid", "regression": "none"}
_SAID: Mapping[str, Function] = {"softmax": "softmax", "sigmoid": "sigmoid", "identity": "none", "none": "none"}
"""The names of functions in a config; a torch module goes by the last part of its name."""


def function_of_problem(checkpoint: Checkpoint, head: Head) -> Function:
    """The default function that turns a head's outputs into scores, as in transformers.

    A single output is a probability, unless the config says that it is a number.
    """
    problem = head.problem or "single"
    if head.prefix == PLAIN_CLASSIFIER:
        said = checkpoint.config.problem_type
        problem = "single" if said is None else PROBLEMS[said]
    if len(head.labels) == 1 and problem != "regression":
        return "sigmoid"
    return FUNCTION_OF[problem]


def function_of_folder(checkpoint: Checkpoint, head: Head) -> Function:
    """The function that turns a head's outputs into scores: the one that the folder names, else by its problem.

    Raises:
        CheckpointError: If the folder names a function that is not one of Lexel's.
    """
    said = checkpoint.config.score_function
    if said is None or head.prefix != PLAIN_CLASSIFIER:
        return function_of_problem(checkpoint, head)
    function = _SAID.get(said.rpartition(".")[2].lower())
    if function is None:
        raise CheckpointError(
            f"{checkpoint.source.folder / 'config.json'}: scores by {said!r:.80}; expected a softmax, a sigmoid or "
            "the identity. Say which to use: function='none' gives the outputs as they are"
        )
    return function


class LabelScore(NamedTuple):
    """A class and its score, after the function."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The classes of a text.

    Attributes:
        text: The caller's string; for a pair, the first one.
        pair: The second string of a pair.
        labels: The assigned classes, best first: exactly one, or, for multi-label models, those that reach their
            threshold. For regression, none, unless you set a threshold.
        ranked: All classes with their scores, best first, or the ``top_k`` best.
        n_windows: Number of windows that it was read in.
    """

    text: str
    pair: str | None
    labels: tuple[str, ...]
    ranked: tuple[LabelScore, ...]
    n_windows: int

    @property
    def label(self) -> str:
        """The best class, whether it was assigned or not."""
        return self.ranked[0].label

    @property
    def score(self) -> float:
        """The score of the best class; for regression, the number."""
        return self.ranked[0].score

    def record(self) -> dict[str, Any]:
        """The result as a JSON record, which ``read_classified`` can read."""
        return {
            "text": self.text,
            "text_pair": self.pair,
            "labels": list(self.labels),
            "scores": [[label, score] for label, score in self.ranked],
            "n_windows": self.n_windows,
        }


class ClassifyKeywords(TypedDict, total=False):
    """The fields of ``ClassifyOptions`` as keywords of ``load`` and of calls; a calibration may be given as a file."""

    top_k: int | None
    function: Function | None
    multi_label: bool | None
    threshold: float | Mapping[str, float] | None
    calibration: Calibration | str | os.PathLike[str] | None
    max_chars: int | None


class ClassifyLoadKeywords(EngineKeywords, ClassifyKeywords, total=False):
    """The keywords of ``Classifier.load``."""


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """How scores become classes: defaults of a classifier, or the options of one call.

    Attributes:
        top_k: Number of classes in ``ranked``; by default all.
        function: ``softmax``, ``sigmoid`` or ``none``; by default the one that the folder names, else the usual one for
            the head's problem.
        multi_label: Whether a text may have any number of labels; by default as the head was trained.
        threshold: The minimum score of a label: one for all, or by label. The default is the calibration's threshold,
            else 0.5 (0 for ``none``). If a text has exactly one label, there is no minimum by default.
        calibration: The result of ``Classifier.calibrate``: scores are divided by its temperature.
        max_chars: Refuse longer texts; ``None`` for no limit.
    """

    top_k: int | None = None
    function: Function | None = None
    multi_label: bool | None = None
    threshold: float | Mapping[str, float] | None = None
    calibration: Calibration | None = None
    max_chars: int | None = None

    def __post_init__(self) -> None:
        if self.function is not None and self.function not in FUNCTIONS:
            raise ValueError(f"function is {self.function!r}; expected one of {', '.join(FUNCTIONS)}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected 1 or more")

    @classmethod
    def read(cls, keywords: ClassifyKeywords) -> dict[str, Any]:
        """Keywords as fields; reads a calibration that is given as a file."""
        read: dict[str, Any] = dict(keywords)
        if isinstance(read.get("calibration"), str | os.PathLike):
            read["calibration"] = Calibration.load(read["calibration"])
        return read


@dataclass(frozen=True, slots=True)
class TextScores:
    """The scores of a block's texts.

    Attributes:
        scores: Before any function, ``[texts, labels]``.
        n_windows: Number of windows of each text, ``[texts]``.
    """

    scores: NDArray[np.float64]
    n_windows: NDArray[np.int64]


def score_texts(
    flow: Flow, pairs: Iterable[Pair], *, window: int | None = None, first_window: bool = False
) -> Iterator[TextScores]:
    """The scores of a flow's only output for each text or pair, block by block.

    Args:
        flow: The flow that reads them.
        pairs: The texts and pairs to read.
        window: Smaller windows than the model's.
        first_window: Whether to read only the first window of each text.
    """
    for block in flow.read(gather_pairs(pairs), **HOW, window=window):
        yield scores_of(block, flow, first_window=first_window)


def scores_of(block: Block, flow: Flow, *, first_window: bool = False) -> TextScores:
    """The scores of a block that was read with ``HOW``; see ``score_texts``."""
    (output,) = flow.outputs
    reading = block.readings[flow.name]
    windows, scores = reading.windows, reading.scores[output]
    weights = np.maximum(windows.keep_end - windows.keep_start, 1)
    if first_window:
        weights = np.where(np.diff(windows.text, prepend=-1) > 0, weights, 0)
    n_windows = np.bincount(windows.text, minlength=len(block.texts))
    return TextScores(join_windows(scores, windows.text, weights), n_windows)


def pair_of(text: Text) -> Pair:
    """How a text or a pair is read: in a pair, the longer text in windows, each with the other text."""
    if isinstance(text, str):
        return Pair(text)
    first, second = text
    return Pair(first, second) if len(first) >= len(second) else Pair(second, first, partner_first=True)


def check_text_or_pair(number: int, text: Any, *, max_chars: int | None = None) -> Text:
    """The text or pair, if it can be read.

    Raises:
        TypeError: If it is neither a text nor a pair.
        DataError: If it is too long.
    """
    is_pair = isinstance(text, tuple) and len(text) == 2 and all(isinstance(part, str) for part in text)
    if not (isinstance(text, str) or is_pair):
        raise TypeError(f"text {number}: expected a str or a tuple of two, found {text!r:.60}")
    parts: tuple[str, ...] = (text,) if isinstance(text, str) else text
    check_length(*parts, what=f"text {number}", max_chars=max_chars)
    checked: Text = text
    return checked


class Classifier:
    """Classifies texts and pairs of texts. Safe to call from several threads.

    Create one with ``Classifier.load``.

    Attributes:
        head: The head that is read.
        options: Default options; a call can override them.
    """

    def __init__(self, flow: Flow, options: ClassifyOptions) -> None:
        self._flow = flow
        self.head: Head = flow.checkpoint.heads[flow.outputs[0]]
        self.options = options
        self._rule(options)

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        revision: str | None = None,
        pieces: str | None = None,
        script: str = "as-is",
        head: str | None = None,
        expects: Expects | None = None,
        options: EngineOptions | None = None,
        **keywords: Unpack[ClassifyLoadKeywords],
    ) -> Classifier:
        """Load a text classifier.

        Args:
            source: A model folder, a hub id (also ``owner/name@revision``), or an opened checkpoint.
            revision: Branch, tag or commit of a hub id.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            script: Convert texts to the script that the model reads, ``simplified`` or ``traditional``; ``as-is``
                converts nothing.
            head: The head to use, if the folder has several that classify.
            expects: The classes that your program expects, or a mapping file; see ``lexel.trust.contract``.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``ClassifyOptions`` (``top_k``, ``function``, ``multi_label``, ``threshold``,
                ``calibration``, ``max_chars``); the latter are defaults that a call can override.

        Raises:
            CheckpointError: If the checkpoint cannot be used.
            LabelError: If it has no head that classifies.
            EngineError: If this machine cannot run the requested engine, device or precision.
            DataError: If the calibration's file cannot be read.
        """
        given = ClassifyOptions.read(keywords)
        computing, usual = options_of_load(ClassifyOptions(), options, given, load=cls.load)
        checkpoint = load_checkpoint(source, revision=revision, pieces=pieces).expecting(expects)
        found = find_head(checkpoint, "classify", name=head)
        is_raw = (usual.function or function_of_folder(checkpoint, found)) == "none"
        if is_raw and computing.precision == "auto" and computing.engine != "numpy":
            computing = replace(computing, precision="float32")  # without a softmax, the rounding of bf16 shows
        flow = start_flow(checkpoint, [found.name], computing, script=script)
        classifier = cls(flow, usual)
        announce(flow)
        return classifier

    def __call__(
        self, text: Text, *, options: ClassifyOptions | None = None, **changes: Unpack[ClassifyKeywords]
    ) -> Classification:
        """Classify one text or pair.

        Args:
            text: A text, or a tuple of two.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call: ``top_k``, ``function``, ``multi_label``, ``threshold``,
                ``calibration``, ``max_chars``; see ``ClassifyOptions``.

        Raises:
            TypeError: If it is neither a text nor a pair, or an option is unknown.
            DataError: If both texts of a pair are too long for a window.
        """
        if not isinstance(text, str | tuple):
            raise TypeError(
                f"expected one text (str) or a pair of texts (tuple), found {type(text).__name__}; "
                "for several, iterate over stream(texts)"
            )
        return read_one(self._steps(self._asked(options, changes)), text)

    def stream(
        self,
        texts: Iterable[Text],
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: ClassifyOptions | None = None,
        **changes: Unpack[ClassifyKeywords],
    ) -> Iterator[Classification]:
        """Classify texts and pairs lazily: one result for each, in order.

        Args:
            texts: Texts, and tuples of two.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        check_several(texts, reader="classifier")
        return stream_results(self._steps(self._asked(options, changes)), texts, on_error=on_error, live=live)

    def scores(self, texts: Iterable[Text]) -> NDArray[np.float64]:
        """The scores of some texts before any function, ``[texts, labels]``."""
        check = partial(check_text_or_pair, max_chars=self.options.max_chars)
        blocks = score_texts(self._flow, map(pair_of, map(check, count(), texts)))
        return np.concatenate([np.empty((0, len(self.head.labels))), *(block.scores for block in blocks)])

    def calibrate(self, examples: Iterable[Classified]) -> Calibration:
        """Find the temperature, and for multi-label models the thresholds with the best F1, on labelled texts.

        Use texts that the model was not trained on. No option is changed: pass the result as
        ``calibration`` to ``load`` or to a call.

        Args:
            examples: The texts with their labels; see ``lexel.data.classified``.

        Raises:
            DataError: If there are no texts.
            LabelError: If the head does not have a label, a text does not have exactly one label where one is needed,
                or the head is for regression.
        """
        rule = self._rule(self.options)
        if rule.function == "none" or self.head.problem == "regression":
            raise LabelError(f"{self._where}: gives numbers; expected a head that gives classes to calibrate")
        given = list(examples)
        if not given:
            raise DataError("calibrate: no texts; expected labelled texts that the model was not trained on")
        gold = np.array([self._gold(example, rule) for example in given])
        scores = self.scores(_text_of(example) for example in given)
        temperature = fit_temperature(scores, gold, function=rule.function)
        if not rule.is_multi:
            return Calibration(temperature, n_examples=len(given))
        thresholds, f1 = best_thresholds(apply_function(scores / temperature, rule.function), gold)
        names = self.head.labels
        return Calibration(
            temperature,
            dict(zip(names, thresholds.tolist(), strict=True)),
            len(given),
            dict(zip(names, f1.tolist(), strict=True)),
        )

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def __repr__(self) -> str:
        return f"<Classifier of {', '.join(self.head.labels)}: {describe(self._flow.engine)}>"

    @property
    def flow(self) -> Flow:
        """The checkpoint and its engine."""
        return self._flow

    @property
    def _where(self) -> str:
        return f"{self._flow.checkpoint.source.folder}: head {self.head.name}"

    def _rule(self, options: ClassifyOptions) -> Rule:
        problem = self.head.problem or "single"
        if options.multi_label is not None and problem != "regression":
            problem = "multi" if options.multi_label else "single"
        function = options.function or self._function(problem)
        threshold, calibration = options.threshold, options.calibration or Calibration()
        self._check_labels(calibration.thresholds, "calibration")
        if isinstance(threshold, Mapping):
            self._check_labels(threshold, "threshold")
        if threshold is None and problem == "multi":
            threshold = calibration.thresholds
        return Rule(
            self.head.labels,
            function,
            is_multi=problem == "multi",
            is_number=problem == "regression" and options.threshold is None,
            thresholds=_by_label(threshold, self.head.labels, function),
            temperature=calibration.temperature,
            top_k=options.top_k,
        )

    def _function(self, problem: Problem) -> Function:
        if problem != (self.head.problem or "single"):  # the head was trained for another problem
            return FUNCTION_OF[problem]
        return function_of_folder(self._flow.checkpoint, self.head)

    def _check_labels(self, given: Mapping[str, float], what: str) -> None:
        for label in given:
            if label not in self.head.labels:
                raise LabelError(f"{what}: label {label!r}; {self._where} has {', '.join(self.head.labels)}")

    def _gold(self, example: Classified, rule: Rule) -> list[bool]:
        for label in example.labels:
            if label not in self.head.labels:
                raise LabelError(
                    f"{example.where}: label {label!r}; {self._where} has {', '.join(self.head.labels)}. Correct it"
                )
        if not rule.is_multi and len(example.labels) != 1:
            raise LabelError(f"{example.where}: {len(example.labels)} labels; expected one, as {self._where} gives")
        return [label in example.labels for label in self.head.labels]

    def _asked(self, options: ClassifyOptions | None, changes: ClassifyKeywords) -> ClassifyOptions:
        """The options of one call."""
        return options_of_call(self.options, options, ClassifyOptions.read(changes), where="Classifier")

    def _steps(self, options: ClassifyOptions) -> FlowSteps[Text, Text, Classification]:
        """How texts and pairs are read."""
        rule = self._rule(options)
        return FlowSteps(
            (self._flow,),
            check=partial(check_text_or_pair, max_chars=options.max_chars),
            size=lambda text: len(text) if isinstance(text, str) else sum(map(len, text)),
            kind=type,
            block_of=lambda texts: block_of_pairs(list(map(pair_of, texts))),
            results_of=lambda texts, block: list(rule.decide(scores_of(block, self._flow), iter(texts).__next__)),
            how=HOW,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """How the scores of one call become classes.

    Attributes:
        labels: The classes, in the order of the scores.
        function: The function that is applied to scores.
        is_multi: Whether a text may have any number of labels.
        is_number: Whether scores are numbers without labels (regression).
        thresholds: The minimum score of each label, ``[labels]``, or ``None`` if the best label is always assigned.
        temperature: Scores are divided by it before the function.
        top_k: Number of classes to return.
    """

    labels: Sequence[str]
    function: Function
    is_multi: bool = False
    is_number: bool = False
    thresholds: NDArray[np.float64] | None = None
    temperature: float = 1.0
    top_k: int | None = None

    def decide(self, block: TextScores, next_text: Callable[[], Text]) -> Iterator[Classification]:
        """The classifications of a block's texts, one by one."""
        values = apply_function(block.scores / self.temperature, self.function)
        reached = self._reached(values)
        order = np.argsort(-values, axis=1, kind="stable")
        ranked = np.take_along_axis(values, order, axis=1).tolist()
        for best, scores, enough, n_windows in zip(
            order.tolist(), ranked, reached.tolist(), block.n_windows.tolist(), strict=True
        ):
            text = next_text()
            first, pair = (text, None) if isinstance(text, str) else text
            labels = tuple(self.labels[i] for i in (best if self.is_multi else best[:1]) if enough[i])
            pairs = zip(best[: self.top_k], scores, strict=False)
            yield Classification(
                first, pair, labels, tuple(LabelScore(self.labels[i], score) for i, score in pairs), n_windows
            )

    def _reached(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which labels a text may be given, ``[texts, labels]``."""
        if self.is_number:
            return np.zeros(values.shape, np.bool_)
        if self.thresholds is None:
            return np.ones(values.shape, np.bool_)
        return np.asarray(values >= self.thresholds)


def _by_label(
    threshold: float | Mapping[str, float] | None, labels: Sequence[str], function: Function
) -> NDArray[np.float64] | None:
    if threshold is None:
        return None
    usual = 0.0 if function == "none" else DEFAULT_THRESHOLD
    if isinstance(threshold, Mapping):
        return np.array([threshold.get(label, usual) for label in labels])
    return np.full(len(labels), float(threshold))


def _text_of(example: Classified) -> Text:
    return example.text if example.pair is None else (example.text, example.pair)
