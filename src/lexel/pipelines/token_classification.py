"""transformers' token-classification pipeline, on Lexel's engines.

Keys, order, types and scores are those of transformers; ``docs/compatibility.md`` lists the differences. As in
transformers, each piece gets its best label independently; for the best valid sequence of tags, use ``lexel.load``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Head
from lexel.decoding.aggregation import STRATEGIES, Group, Strategy, find_subwords, group_pieces
from lexel.decoding.tags import softmax
from lexel.engines.choose import describe
from lexel.errors import LabelError
from lexel.tasks.base import Block, Flow, Reading, gather_blocks, gather_given, join_words
from lexel.tasks.unknown_arguments import refuse_unknown

Entity = dict[str, Any]
WordStyle = Literal["source", "transformers"]

WORD_STYLES = ("source", "transformers")
PIECE_STRATEGIES = ("none", "simple")
"""Strategies that decide each piece by itself; the others decide whole words."""

NO_EFFECT = ("batch_size", "num_workers")
"""Arguments accepted for compatibility, without effect: rows are packed by pieces."""

_REFUSED = {
    "offset_mapping": "offsets are the tokenizer's own",
    "grouped_entities": "pass aggregation_strategy='simple'",
    "ignore_subwords": "pass aggregation_strategy='first'",
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options for the pipeline or for a call.

    Attributes:
        aggregation_strategy: ``none``, ``simple``, ``first``, ``average`` or ``max``.
        ignore_labels: Labels (strategy ``none``) or types (others) to leave out.
        stride: Pieces that neighbouring windows of a long text share; ``None`` for the default.
        is_split_into_words: Whether texts are lists of words.
        delimiter: The string between such words in the text that offsets refer to.
        word_style: ``source`` (the slice of the text) or ``transformers`` (pieces joined by the tokenizer).
    """

    aggregation_strategy: Strategy = "none"
    ignore_labels: Sequence[str] = ("O",)
    stride: int | None = None
    is_split_into_words: bool = False
    delimiter: str = " "
    word_style: WordStyle = "source"

    def __post_init__(self) -> None:
        if self.aggregation_strategy not in STRATEGIES:
            raise ValueError(
                f"aggregation_strategy is {self.aggregation_strategy!r}; expected one of {', '.join(STRATEGIES)}"
            )
        if self.word_style not in WORD_STYLES:
            raise ValueError(f"word_style is {self.word_style!r}; expected one of {', '.join(WORD_STYLES)}")
        if isinstance(self.ignore_labels, str):
            raise TypeError(f"ignore_labels is the str {self.ignore_labels!r}; expected a list of labels")

    def changed(self, given: Mapping[str, Any], *, where: str) -> ReadOptions:
        """A copy with changes; ``None`` changes nothing.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If a value is invalid.
        """
        refuse_unknown(given, known=OPTIONS, refused=_REFUSED, where=where)
        changes = {name: value for name, value in given.items() if value is not None and name not in NO_EFFECT}
        if (strategy := changes.get("aggregation_strategy")) is not None:
            changes["aggregation_strategy"] = str(getattr(strategy, "value", strategy)).lower()
        return replace(self, **changes)


OPTIONS = (*(field.name for field in fields(ReadOptions)), *NO_EFFECT)
"""Keywords of the pipeline and its calls."""


class TokenClassificationPipeline:
    """Finds entities like transformers' pipeline of this name. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``token-classification``.
        options: Default options; a call can override them.
    """

    task = "token-classification"

    def __init__(self, flow: Flow, options: ReadOptions) -> None:
        checkpoint = flow.checkpoint
        head = checkpoint.heads[flow.outputs[0]]
        self._flow = flow
        self._head = head.name
        self._labels = checkpoint.label_set(head)
        self.options = options
        self._check_stride(options)

    @overload
    def __call__(self, inputs: str, **options: Any) -> list[Entity]: ...
    @overload
    def __call__(self, inputs: list[Any] | tuple[Any, ...], **options: Any) -> list[list[Entity]]: ...
    @overload
    def __call__(self, inputs: Iterable[Any], **options: Any) -> Iterator[list[Entity]]: ...
    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Find the entities of a text, of several, or of a stream of them.

        Args:
            inputs: A text, a list of texts, or any other iterable of texts. With ``is_split_into_words``, a text is a
                list of words, and a single one gives a list of one result, as in transformers.
            options: Changes to ``self.options`` for this call.

        Returns:
            For a text, a list of entities; for a list, a list of such lists; for any other iterable, an iterator of
            them that reads lazily, about a block ahead.

        Raises:
            TypeError: If an argument is unknown, or a text is not a string.
            ValueError: If an argument has an invalid value.
        """
        changed = self.options.changed(options, where=f"{self.task} pipeline")
        self._check_stride(changed)
        if isinstance(inputs, str) and not changed.is_split_into_words:
            return next(self._stream([inputs], changed))
        if isinstance(inputs, list | tuple):
            is_one = changed.is_split_into_words and len(inputs) > 0 and all(isinstance(word, str) for word in inputs)
            return list(self._stream([inputs] if is_one else inputs, changed))
        if isinstance(inputs, str | bytes | Mapping) or not _is_iterable(inputs):
            raise TypeError(f"inputs: expected {_expected(changed)}, or an iterable of them; found {_kind(inputs)}")
        return self._stream(inputs, changed)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return f"{self._flow.checkpoint.description}\nengine: {describe(self._flow.engine)}"

    def _check_stride(self, options: ReadOptions) -> None:
        if options.stride is not None and not 0 <= options.stride < self._flow.window:
            raise ValueError(
                f"stride is {options.stride}; expected at least 0 and less than the model's window of "
                f"{self._flow.window} pieces"
            )

    def _stream(self, texts: Iterable[Any], options: ReadOptions) -> Iterator[list[Entity]]:
        checked = _checked(texts, options)
        if options.is_split_into_words:
            blocks = gather_given(join_words(words, options.delimiter) for words in checked)
        else:
            blocks = gather_blocks(checked)
        for block in self._flow.read(blocks, overlap=options.stride):
            yield from self._entities(block, options)

    def _entities(self, block: Block, options: ReadOptions) -> Iterator[list[Entity]]:
        reading = block.readings[self._flow.name]
        probs = softmax(reading.scores[self._head].astype(np.float32, copy=False))
        spelt = options.aggregation_strategy != "simple" or options.word_style == "transformers"
        strings = self._flow.tokenizer.strings(reading.pieces.ids) if spelt else []
        bounds = reading.pieces.bounds.tolist()
        for text, low, high in zip(block.texts, bounds[:-1], bounds[1:], strict=True):
            yield self._of_text(_Text.of(text, reading, low, high, strings), probs[low:high], options)

    def _of_text(self, text: _Text, probs: NDArray[np.float32], options: ReadOptions) -> list[Entity]:
        strategy = options.aggregation_strategy
        unknown = text.ids == (-1 if self._flow.tokenizer.special.unk is None else self._flow.tokenizer.special.unk)
        groups = group_pieces(
            probs,
            self._labels,
            starts=text.starts,
            ends=text.ends if strategy == "none" else text.solid_ends,
            strategy=strategy,
            is_subword=None if strategy in PIECE_STRATEGIES else self._subwords(text, unknown),
            ignore_labels=options.ignore_labels,
        )
        if strategy == "none":
            first = len(self._flow.tokenizer.special.prefix)
            return [_piece(group, text, bool(unknown[group.pieces[0]]), first) for group in groups]
        in_source = options.word_style == "source"
        word = text.slice_of if in_source else _joiner(text, unknown, strategy, self._flow.tokenizer.join)
        return [
            {
                "entity_group": group.label,
                "score": group.score,
                "word": word(group),
                "start": group.start,
                "end": group.end,
            }
            for group in groups
            if group.start < group.end
        ]

    def _subwords(self, text: _Text, unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return find_subwords(
            text.strings,
            text.text,
            starts=text.starts,
            ends=text.ends,
            unknown=unknown,
            has_prefix=self._flow.tokenizer.shows_continuation,
        )


@dataclass(frozen=True, slots=True)
class _Text:
    """One text of a block and its pieces."""

    text: str
    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    strings: Sequence[str]

    @classmethod
    def of(cls, text: str, reading: Reading, low: int, high: int, strings: Sequence[str]) -> _Text:
        pieces = reading.pieces
        return cls(text, pieces.ids[low:high], pieces.starts[low:high], pieces.ends[low:high], strings[low:high])

    @property
    def solid_ends(self) -> NDArray[np.int32]:
        """Ends, but a piece that is only white space ends with the piece before it, ``[pieces]``."""
        return np.maximum.accumulate(np.where(self.ends > self.starts, self.ends, 0)) if len(self.ends) else self.ends

    def slice_of(self, group: Group) -> str:
        return self.text[group.start : group.end]


def _piece(group: Group, text: _Text, is_unknown: bool, first: int) -> Entity:
    """One piece in the form of strategy ``none``; ``index`` counts the special pieces before the text."""
    number = group.pieces[0]
    return {
        "entity": group.label,
        "score": group.score,
        "index": first + number,
        "word": text.slice_of(group) if is_unknown else text.strings[number],
        "start": group.start,
        "end": group.end,
    }


def _joiner(
    text: _Text, unknown: NDArray[np.bool_], strategy: Strategy, join: Callable[[Sequence[str]], str]
) -> Callable[[Group], str]:
    """Words as transformers joins them: from pieces, and for word strategies from words again."""

    def spelling(number: int) -> str:
        in_text = text.text[text.starts[number] : text.ends[number]]
        return in_text if unknown[number] else text.strings[number]

    def word(group: Group) -> str:
        words = [[spelling(number) for number in range(low, high)] for low, high in group.words]
        if strategy in PIECE_STRATEGIES:
            return join([piece for pieces in words for piece in pieces])
        return join([join(pieces) for pieces in words])

    return word


def _checked(texts: Iterable[Any], options: ReadOptions) -> Iterator[Any]:
    """The texts, lazily, each one checked."""
    for number, text in enumerate(texts):
        is_text = isinstance(text, str)
        if options.is_split_into_words:
            is_text = isinstance(text, list | tuple) and all(isinstance(word, str) for word in text)
        if not is_text:
            raise TypeError(f"text {number}: expected {_expected(options)}, found {_kind(text)}")
        yield text


def _is_iterable(value: object) -> bool:
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__")  # torch's data sets have only the latter


def _expected(options: ReadOptions) -> str:
    return "a list of words (is_split_into_words)" if options.is_split_into_words else "a str"


def _kind(value: object) -> str:
    if isinstance(value, list | tuple) and value:
        strange = next((item for item in value if not isinstance(item, str)), value[0])
        return f"a {type(value).__name__} of {type(strange).__name__}"
    return f"a {type(value).__name__}"


HEADS = ("entities", "pos", "words+pos", "labels", "words")
"""Tasks of heads that this pipeline reads, in order of preference."""


def choose_head(heads: Mapping[str, Head], name: str | None, *, where: str) -> str:
    """The name of the head to read.

    Raises:
        LabelError: If there is no such head, or none that labels pieces.
    """
    tagging = [head for head in heads.values() if head.task in HEADS and name in (None, head.name)]
    if tagging:
        return min(tagging, key=lambda head: HEADS.index(head.task)).name
    has = ", ".join(f"{head.name} ({head.task})" for head in heads.values()) or "a bare encoder"
    asked = "head that labels pieces" if name is None else f"head {name!r} that labels pieces"
    raise LabelError(f"{where}: no {asked}; it has {has}. Train one first, or choose another checkpoint")
