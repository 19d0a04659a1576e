"""Evaluations of one model on several data sets with several options, each run once, for verification."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, cast

from lexel.data import FOLDS
from lexel.data.classified import read_classified
from lexel.document import Document, Spans, Words
from lexel.evaluation.scores.classes import Average, ClassScores, score_classes
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.single_tags import single_tag_accuracy
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.verify.claimed_data import Labelled
from lexel.evaluation.verify.claims import Claim, Figure
from lexel.metrics.scores import Estimate
from lexel.names import Layer
from lexel.tasks.base import Flow
from lexel.tasks.classify import Classifier
from lexel.tasks.tag import Tagger

TOLERANCE = 1.0
"""Default tolerance of a figure in points (hundredths)."""

Decode = Literal["viterbi", "argmax"]


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How claims are measured again.

    Attributes:
        tolerance: Tolerance in points.
        decode: ``viterbi`` or ``argmax`` for all claims; by default as a claim says, else as is usual for its kind.
        fold: A rule that folds the gold tags of all claims; by default the rule that a claim names.
        label_map: The model's names for gold labels, if they differ.
        given_words: Keep the gold words, and score tags on them.
        sampling: How intervals are computed.
    """

    tolerance: float = TOLERANCE
    decode: Decode | None = None
    fold: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    given_words: bool = False
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class How:
    """The settings of a run."""

    file: Labelled
    decode: Decode
    fold: str | None
    given_words: bool
    label_map: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    precision: str | None = None


class Runs(Protocol):
    """Evaluations of one model, each run once.

    Attributes:
        layers: The layers that the model reads.
        flows: The flows of the model.
        options: How claims are measured.
        notes: Notes for readers of the figures.
    """

    layers: Collection[str]
    flows: Sequence[Flow]
    options: VerifyOptions
    notes: list[str]

    def plan(self, claim: Claim, file: Labelled) -> How:
        """The settings for a claim."""

    def measure(self, figure: Figure, how: How) -> Estimate | None:
        """A figure of a run, which is started if necessary; ``None`` if it was not scored."""

    def why_absent(self, how: How) -> str:
        """The reasons for missing figures of a run."""

    def tell(self, how: How, *, of: str) -> None:
        """Add notes for readers of a run's figures; ``of`` names its data."""

    def variants(self, figure: Figure, how: How) -> Iterator[tuple[str, How]]:
        """Other usual ways to compute such figures, each with a description."""


class ClassRuns:
    """Evaluations of a text classifier."""

    def __init__(self, classifier: Classifier, options: VerifyOptions) -> None:
        self.classifier = classifier
        self.options = options
        self.notes: list[str] = []
        self.layers: Collection[str] = ("classes",)
        self.flows: Sequence[Flow] = (classifier.flow,)
        self._scores: dict[How, ClassScores] = {}

    def plan(self, claim: Claim, file: Labelled) -> How:
        """The settings for a claim."""
        return How(file, "argmax", None, given_words=False)

    def measure(self, figure: Figure, how: How) -> Estimate | None:
        """A figure of a run, which is started if necessary."""
        if how not in self._scores:
            examples = read_classified(how.file.path)
            self._scores[how] = score_classes(self.classifier, examples, sampling=self.options.sampling)
        scores = self._scores[how]
        if figure.quantity == "accuracy":
            return scores.accuracy
        return scores.rate(figure.quantity, average=cast("Average | None", figure.average or None))

    def why_absent(self, how: How) -> str:
        """Nothing: no figure of classes is missing."""
        return ""

    def tell(self, how: How, *, of: str) -> None:
        """Add a note on labels that the model does not know."""
        strange = self._scores[how].names[len(self.classifier.head.labels) :]
        if strange:
            self.notes.append(f"{of}: the model does not know {', '.join(strange)}; these count as missed")

    def variants(self, figure: Figure, how: How) -> Iterator[tuple[str, How]]:
        """None."""
        return iter(())


class TagRuns:
    """Evaluations of a tagger."""

    def __init__(self, tagger: Tagger, options: VerifyOptions) -> None:
        self.tagger = tagger
        self.options = options
        self.notes: list[str] = []
        self.layers: Collection[str] = tuple(tagger.layers)
        self.flows: Sequence[Flow] = tagger.flows
        self._results: dict[How, Results] = {}
        self._accuracies: dict[tuple[How, str], Estimate | None] = {}
        self._in_precision: dict[str, Tagger] = {}

    def plan(self, claim: Claim, file: Labelled) -> How:
        """The settings for a claim."""
        fold = self.options.fold or (claim.config if claim.config in FOLDS else None)
        has_words = "words" in self.tagger.layers
        tags_words = "pos" in self.tagger.layers and not has_words  # as in training, and in the usual scripts
        says_how = "decode" in claim.args
        given = self.options.given_words or bool(claim.args.get("given_words")) or (tags_words and not says_how)
        said = self.options.label_map or claim.args.get("label_map")
        label_map = tuple(sorted(said.items())) if isinstance(said, Mapping) else ()
        return How(file, self._decode(claim), fold, given, label_map)

    def _decode(self, claim: Claim) -> Decode:
        said: Decode | None = self.options.decode or claim.args.get("decode")
        if said in ("viterbi", "argmax"):
            return said
        is_ours = any((flow.checkpoint.source.folder / "lexel.json").exists() for flow in self.tagger.flows)
        return "viterbi" if is_ours else "argmax"

    def measure(self, figure: Figure, how: How) -> Estimate | None:
        """A figure of a run, which is started if necessary."""
        if figure.part != "tags":
            return figure.of(self.results(how))
        layer: Layer = "entities" if "entities" in self.tagger.layers else "words"
        if (how, layer) not in self._accuracies:
            documents = self._documents(how)
            self._accuracies[how, layer] = single_tag_accuracy(
                self._reader(how), documents, layer=layer, sampling=self.options.sampling
            )
        return self._accuracies[how, layer]

    def results(self, how: How) -> Results:
        """A run's report."""
        if how not in self._results:
            options = EvaluationOptions(
                label_map=dict(how.label_map), given_words=how.given_words, sampling=self.options.sampling
            )
            self._results[how] = evaluate(self._reader(how), self._documents(how), options=options)
        return self._results[how]

    def why_absent(self, how: How) -> str:
        """The reasons why layers were not scored."""
        return "; ".join(f"{layer}: {why}" for layer, why in self.results(how).absent.items())

    def variants(self, figure: Figure, how: How) -> Iterator[tuple[str, How]]:
        """The other decoding, folded gold tags, truncated texts."""
        if figure.part in ("entities", "tags", "words"):
            other: Decode = "argmax" if how.decode == "viterbi" else "viterbi"
            yield f"decoded by {other}", replace(how, decode=other)
        if figure.part == "pos" and how.fold is None:
            for fold in FOLDS:
                yield f"with gold tags folded by {fold} (--fold)", replace(how, fold=fold)
        n_long, n_texts = self._n_long(how.file)
        if n_long:
            said = f"{n_long:,} of {n_texts:,} texts are longer than the model's window; with these cut off"
            yield said, replace(how, cut=True)
        if len(self.flows) == 1 and self.flows[0].engine.name in ("openvino", "torch"):
            precision = "bf16" if self.flows[0].engine.precision == "float32" else "float32"
            yield f"computed in {precision}", replace(how, precision=precision)

    def tell(self, how: How, *, of: str) -> None:
        """Add notes for readers of a run's figures; ``of`` names its data."""
        self.notes.append(f"{of}: decoded by {how.decode}" + (f", gold tags folded by {how.fold}" if how.fold else ""))
        if how.given_words:
            self.notes.append(f"{of}: the gold words were given to the model")
        self.notes += [f"{of}: {note}" for note in self.results(how).notes]

    def _documents(self, how: How) -> Iterator[Document]:
        documents = how.file.read(how.fold)
        return map(self._cut, documents) if how.cut else documents

    def _reader(self, how: How) -> Tagger:
        tagger = self.tagger if how.precision is None else self._computing_in(how.precision)
        return Tagger(tagger.flows, tagger.layers, replace(self.tagger.options, decode=how.decode))

    def _computing_in(self, precision: str) -> Tagger:
        """The same model in another precision.

        Raises:
            EngineError: If this machine does not support it.
        """
        if precision not in self._in_precision:
            flow = self.flows[0]
            engine = flow.engine
            self._in_precision[precision] = Tagger.load(
                flow.checkpoint, engine=engine.name, precision=precision, threads=engine.threads, script=flow.script
            )
        return self._in_precision[precision]

    def _n_long(self, file: Labelled) -> tuple[int, int]:
        """Number of texts that are longer than a window, and of all texts."""
        ends = [self._end_of_window(document.text) < len(document.text) for document in file.read(None)]
        return sum(ends), len(ends)

    def _end_of_window(self, text: str) -> int:
        """The end of the first window of a text, in any of the flows."""
        ends = [len(text)]
        for flow in self.tagger.flows:
            pieces = flow.tokenizer.encode([text])
            if len(pieces) > flow.window:
                ends.append(int(pieces.ends[flow.window - 1]))
        return min(ends)

    def _cut(self, document: Document) -> Document:
        """A document as seen by scripts that truncate texts to one window."""
        end = self._end_of_window(document.text)
        return document if end == len(document.text) else _head_of(document, end)


def _head_of(document: Document, end: int) -> Document:
    """The first ``end`` characters, with the words and entities in them."""
    text, words, entities, nested = document.text[:end], None, None, None
    if "words" in document.layers:
        kept = [word for word in document.words if word.end <= end]
        has_tags = "pos" in document.layers
        words = Words.of(text, [word[:2] for word in kept], [word.pos or "" for word in kept] if has_tags else None)
    if "entities" in document.layers:
        spans = [(span.start, span.end, span.label) for span in document.entities if span.end <= end]
        entities = Spans.of(text, spans)
    if "nested" in document.layers:
        nested = Spans.of(text, [(span.start, span.end, span.label) for span in document.nested if span.end <= end])
    return Document(text, words, entities, id=document.id, nested=nested)
