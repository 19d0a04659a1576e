"""The JSON of Lexel's own protocol: requests and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lexel.errors import DataError

OffsetUnit = Literal["char", "utf16", "byte"]


class Strict(BaseModel):
    """A request; unknown fields are refused, so that a misspelt option is not ignored.

    It is frozen, so that requests share default values instead of copying them. The line below a field is its
    description in ``/openapi.json`` and on ``/docs``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class LexiconEntry(Strict):
    """A word that must, or should, stay whole."""

    word: str = Field(min_length=1)
    """The word."""
    action: Literal["force", "prefer"] = "force"
    """Whether it is always one word, or only preferred."""
    weight: float | None = Field(default=None, allow_inf_nan=False)
    """Strength of the preference."""


class TagOptions(Strict):
    """How texts are tagged."""

    lexicon: list[str | LexiconEntry] | None = None
    """Words that stay whole."""
    decode: Literal["viterbi", "argmax"] | None = None
    """The best valid tags of a text (viterbi), or the best tag of each piece (argmax)."""
    entities_on_words: bool | None = None
    """Widen entities to whole words."""
    min_score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Leave out entities with a lower score. Default: the model's own minimum score."""
    script: Literal["simplified", "traditional", "as-is"] | None = None
    """Convert Chinese to this script before reading; offsets refer to the original text."""
    offsets: OffsetUnit = "char"
    """Unit of offsets: code points, UTF-16 units (JavaScript) or UTF-8 bytes."""


class Texts(Strict):
    """Texts for one model."""

    text: str | None = None
    """One text. Pass either this or texts."""
    texts: list[str] | None = None
    """Several texts."""
    model: str | None = None
    """A model. Default: the first with a head for the task."""

    def items(self) -> list[str]:
        """The texts."""
        if (self.text is None) == (self.texts is None):
            raise DataError("expected either text (a string) or texts (a list of strings)")
        return [self.text] if self.text is not None else list(self.texts or ())


class TagRequest(Texts):
    """Texts to tag."""

    options: TagOptions = TagOptions()


class FillOptions(Strict):
    """How masks are filled."""

    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of candidates. Default: 5, or all targets."""
    targets: list[str] | None = None
    """Words to choose from. Default: the whole vocabulary."""
    joint: bool | None = None
    """Decide all masks of a text together."""
    length: Annotated[int, Field(ge=1, le=16)] | list[int] | None = None
    """Number of pieces of a mask: one number, or minimum and maximum."""
    mask: str | None = None
    """Another way to write a mask, such as ____."""
    offsets: OffsetUnit = "char"
    """Unit of offsets: code points, UTF-16 units (JavaScript) or UTF-8 bytes."""


class FillRequest(Texts):
    """Texts with masks."""

    options: FillOptions = FillOptions()


class ClassifyOptions(Strict):
    """How texts are classified."""

    labels: list[str] | None = None
    """Any labels: zero-shot classification."""
    template: str | None = None
    """For zero-shot classification: a hypothesis with {} in place of the label."""
    multi_label: bool | None = None
    """Whether a text may have any number of labels. Default: as the model was trained."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Number of labels with scores. Default: all."""
    function: Literal["softmax", "sigmoid", "none"] | None = None
    """The function applied to the model's outputs. Default: as its files say."""
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The minimum score of a label. Default: 0.5, or the calibration's."""


class ClassifyRequest(Strict):
    """Texts, or pairs of texts, to classify."""

    text: str | None = None
    """One text. Pass this, texts or pairs."""
    texts: list[str] | None = None
    """Several texts."""
    pairs: list[Annotated[tuple[str, str], Field(strict=False)]] | None = None
    """Pairs of texts, for models that read two texts, such as rerankers."""
    model: str | None = None
    """A model. Default: the first with a head for the task."""
    options: ClassifyOptions = ClassifyOptions()

    def items(self) -> Sequence[str | tuple[str, str]]:
        """The texts or pairs."""
        given = [value for value in (self.text, self.texts, self.pairs) if value is not None]
        if len(given) != 1:
            raise DataError("expected one of text (a string), texts (a list of strings), pairs (lists of two strings)")
        if self.options.labels is None and self.options.template is not None:
            raise DataError("options.template: given without options.labels; expected both, or neither")
        if self.options.labels is not None and self.options.function is not None:
            raise DataError("options.function: given with options.labels; expected one of the two")
        if self.options.labels is not None and self.pairs is not None:
            raise DataError("pairs: given with options.labels, of which pairs are made; expected text or texts")
        return [self.text] if self.text is not None else self.texts or self.pairs or []


class AnswerOptions(Strict):
    """How answers are found."""

    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of answers. Default: 1."""
    max_answer_chars: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of characters in an answer. Default: no limit."""
    null_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Return no answer if the margin of the null answer is above this. Default: always answer."""
    align: Literal["words"] | None = None
    """Widen answers to whole words, for scripts with spaces between words."""
    offsets: OffsetUnit = "char"
    """Unit of offsets: code points, UTF-16 units (JavaScript) or UTF-8 bytes."""


class AnswerRequest(Strict):
    """Questions, each about a context."""

    question: str
    """The question."""
    context: str | None = None
    """The text with the answer. Pass either this or contexts."""
    contexts: list[str] | None = None
    """Several texts; the question is asked of each."""
    model: str | None = None
    """A model. Default: the first with a head for the task."""
    options: AnswerOptions = AnswerOptions()

    def items(self) -> list[tuple[str, str]]:
        """The question with each context."""
        if (self.context is None) == (self.contexts is None):
            raise DataError("expected either context (a string) or contexts (a list of strings)")
        contexts = [self.context] if self.context is not None else list(self.contexts or ())
        return [(self.question, context) for context in contexts]


class EmbedOptions(Strict):
    """How vectors are made."""

    normalise: bool | None = None
    """Scale vectors to length 1. Default: as the model's files say."""
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Keep only the first numbers of each vector."""


class EmbedRequest(Texts):
    """Texts to embed."""

    options: EmbedOptions = EmbedOptions()


class SimilarityRequest(Strict):
    """A text, and other texts to compare it with."""

    text: str
    """The text that the others are compared with."""
    texts: list[str]
    """The other texts."""
    model: str | None = None
    """A model. Default: the first with a head for the task."""


class Results(BaseModel):
    """The answer of every native route: a result for each item, in order; a failed one has ``error``."""

    model: str
    results: list[dict[str, Any]]
