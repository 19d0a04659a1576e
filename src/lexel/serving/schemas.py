"""The JSON of the native wire: what requests hold, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

OffsetUnit = Literal["char", "utf16", "byte"]


class Strict(BaseModel):
    """A request: unknown fields are refused, so that a misspelt option is not lost.

    It is frozen, so that requests share the options that they do not set; else each would copy them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LexiconEntry(Strict):
    """A word that must, or should, be cut as one."""

    word: str = Field(min_length=1)
    action: Literal["force", "prefer"] = "force"
    weight: float | None = Field(default=None, allow_inf_nan=False)


class TagOptions(Strict):
    """How texts are tagged."""

    lexicon: list[str | LexiconEntry] | None = None
    decode: Literal["viterbi", "argmax"] | None = None
    entities_on_words: bool | None = None
    min_score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    script: Literal["simplified", "traditional", "as-is"] | None = Field(
        default=None, description="Convert Chinese to this script before reading; offsets index the text as it is."
    )
    offsets: OffsetUnit = "char"


class Texts(Strict):
    """Texts for one model."""

    text: str | None = Field(default=None, description="One text; or texts.")
    texts: list[str] | None = Field(default=None, description="Several texts.")
    model: str | None = Field(default=None, description="Which model; the first that can do it if not given.")

    def items(self) -> list[str]:
        """The texts."""
        if (self.text is None) == (self.texts is None):
            raise ValueError("expected either text (a string) or texts (a list of strings)")
        return [self.text] if self.text is not None else list(self.texts or ())


class TagRequest(Texts):
    """Texts to tag."""

    options: TagOptions = TagOptions()


class FillOptions(Strict):
    """How masks are filled."""

    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    targets: list[str] | None = None
    joint: bool | None = None
    length: Annotated[int, Field(ge=1, le=16)] | list[int] | None = None
    mask: str | None = None
    offsets: OffsetUnit = "char"


class FillRequest(Texts):
    """Texts with masks."""

    options: FillOptions = FillOptions()


class ClassifyOptions(Strict):
    """How texts are classified."""

    labels: list[str] | None = Field(default=None, description="Any labels: zero-shot classification.")
    template: str | None = Field(default=None, description="A hypothesis with {} in place of the label.")
    multi_label: bool | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    function: Literal["softmax", "sigmoid", "none"] | None = None
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None


class ClassifyRequest(Strict):
    """Texts, or pairs of texts, to classify."""

    text: str | None = None
    texts: list[str] | None = None
    pairs: list[tuple[str, str]] | None = Field(default=None, strict=False)
    model: str | None = None
    options: ClassifyOptions = ClassifyOptions()

    def items(self) -> Sequence[str | tuple[str, str]]:
        """The texts or pairs."""
        given = [value for value in (self.text, self.texts, self.pairs) if value is not None]
        if len(given) != 1:
            raise ValueError("expected one of text (a string), texts (a list of strings), pairs (lists of two strings)")
        return [self.text] if self.text is not None else self.texts or self.pairs or []


class AnswerOptions(Strict):
    """How answers are searched."""

    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    max_answer_chars: Annotated[int, Field(ge=1)] | None = None
    null_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    align: Literal["words"] | None = None
    offsets: OffsetUnit = "char"


class AnswerRequest(Strict):
    """Questions, each about a context."""

    question: str
    context: str | None = None
    contexts: list[str] | None = None
    model: str | None = None
    options: AnswerOptions = AnswerOptions()

    def items(self) -> list[tuple[str, str]]:
        """The question with each context."""
        if (self.context is None) == (self.contexts is None):
            raise ValueError("expected either context (a string) or contexts (a list of strings)")
        contexts = [self.context] if self.context is not None else list(self.contexts or ())
        return [(self.question, context) for context in contexts]


class EmbedOptions(Strict):
    """How vectors are made."""

    normalise: bool | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None


class EmbedRequest(Texts):
    """Texts to embed."""

    options: EmbedOptions = EmbedOptions()


class SimilarityRequest(Strict):
    """A text, and others to compare it with."""

    text: str
    texts: list[str]
    model: str | None = None


class Results(BaseModel):
    """What every native call gives: a result for each item, in order; one that could not be read holds ``error``."""

    model: str
    results: list[dict[str, Any]]
