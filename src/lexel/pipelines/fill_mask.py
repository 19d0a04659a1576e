"""transformers' fill-mask pipeline, on Lexel's engines.

Keys, shapes and scores are those of transformers: every piece is a candidate, also special ones; each of several masks
is decided with the others masked; for a target of several pieces, the first one is used. ``Filler`` decides better.
``docs/compatibility.md`` lists the differences.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from lexel.decoding.masks import Answer, Hypothesis, Query
from lexel.tasks.base import Flow, gather_blocks
from lexel.tasks.checks import check_each
from lexel.tasks.loading import describe_flow
from lexel.tasks.masked import Blank, MaskedModel, MaskReader
from lexel.tasks.unknown_arguments import refuse_unknown

NO_EFFECT = ("batch_size", "num_workers")
"""Arguments accepted for compatibility, without effect: rows are packed by pieces."""

_REFUSED = {"tokenizer_kwargs": "nothing is cut: a long text is read around its masks"}
_ONE_OPEN = Hypothesis.empty((1,))
_logger = logging.getLogger("lexel")


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """Options for the pipeline or for a call.

    Attributes:
        top_k: Number of pieces for each mask; at most the number of targets.
        targets: A piece or word, or several, to choose from; ``None`` is the whole vocabulary.
    """

    top_k: int = 5
    targets: str | Sequence[str] | None = None

    def changed(self, given: Mapping[str, Any], *, where: str) -> MaskOptions:
        """A copy with changes; ``None`` changes nothing.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If a value is invalid.
        """
        refuse_unknown(given, known=OPTIONS, refused=_REFUSED, where=where)
        changes = {name: value for name, value in given.items() if value is not None and name not in NO_EFFECT}
        changed = replace(self, **changes)
        if not isinstance(changed.top_k, int) or changed.top_k < 1:
            raise ValueError(f"top_k is {changed.top_k!r}; expected 1 or more")
        if changed.targets is not None and not len(changed.targets):
            raise ValueError("targets: an empty list; expected at least one")
        return changed


OPTIONS = (*(part.name for part in fields(MaskOptions)), *NO_EFFECT)
"""Keywords of the pipeline and its calls."""


class FillMaskPipeline:
    """Fills masks like transformers' pipeline of this name. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``fill-mask``.
        options: Default options; a call can override them.
    """

    task = "fill-mask"

    def __init__(self, flow: Flow, options: MaskOptions) -> None:
        self._flow = flow
        self._model = MaskedModel(flow, constrained=False)
        self._reader = MaskReader(flow.tokenizer, symbol=None, length=(1, 1), window=flow.window)
        self._targets(options)
        self.options = options

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Fill the masks of a text, of several, or of a stream of them.

        Args:
            inputs: A text, a list of texts, or any other iterable of texts.
            options: Changes to ``self.options`` for this call.

        Returns:
            For a text, a list of candidates, best first, with ``score``, ``token``, ``token_str`` and ``sequence``;
            with several masks, a list of such lists. For a list of texts, a list of these (for one text, its own
            result, as in transformers); for any other iterable, an iterator.

        Raises:
            TypeError: If an argument is unknown, or a text is not a string.
            ValueError: If an argument has an invalid value.
            DataError: If a text has no mask.
        """
        changed = self.options.changed(options, where=f"{self.task} pipeline")
        if isinstance(inputs, str):
            return next(self._stream([inputs], changed))
        if not isinstance(inputs, Iterable) or isinstance(inputs, bytes | Mapping):
            raise TypeError(f"inputs: expected a str or an iterable of them, found {type(inputs).__name__}")
        results = self._stream(inputs, changed)
        if not isinstance(inputs, list | tuple):
            return results
        found = list(results)
        return found[0] if isinstance(inputs, list) and len(found) == 1 else found

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def _stream(self, texts: Iterable[Any], options: MaskOptions) -> Iterator[Any]:
        targets = self._targets(options)
        first = 0
        for block in gather_blocks(check_each(texts)):
            found = [self._reader.find(text, f"text {number}") for number, text in enumerate(block.texts, first)]
            first += len(block.texts)
            blanks = [[Blank(text, (mask,)) for mask in range(len(text.masks))] for text in self._reader.read(found)]
            answers = iter(
                self._model.answer([(blank, self._query(options, targets)) for own in blanks for blank in own])
            )
            for own in blanks:
                rows = [self._row(blank, next(answers), options, targets, skip=len(own) == 1) for blank in own]
                yield rows[0] if len(rows) == 1 else rows

    def _query(self, options: MaskOptions, targets: Sequence[int] | None) -> Query:
        wanted = np.array([targets or ()], np.int64)
        return Query(_ONE_OPEN, (0,), options.top_k if targets is None else 0, wanted)

    def _row(
        self, blank: Blank, answer: Answer, options: MaskOptions, targets: Sequence[int] | None, *, skip: bool
    ) -> list[dict[str, Any]]:
        """The candidates of a mask; ``skip`` omits special pieces from the sequence."""
        ids, log_probs = answer.ids[0], answer.log_probs[0]
        if targets is not None:
            order = np.argsort(-answer.wanted[0], kind="stable")[: options.top_k]
            ids, log_probs = np.array(targets)[order], answer.wanted[0][order]
        return [
            {
                "score": score,
                "token": piece,
                "token_str": self._decode([piece], skip=False),
                "sequence": self._decode(self._with(blank, piece), skip=skip),
            }
            for score, piece in zip(np.exp(log_probs).tolist(), ids.tolist(), strict=True)
        ]

    def _with(self, blank: Blank, piece: int) -> list[int]:
        """The pieces of the whole text, including special ones, with a mask filled; without padding."""
        special = self._flow.tokenizer.special
        ids = blank.text.ids.copy()
        ids[blank.text.at[blank.decided[0]]] = piece
        return [one for one in (*special.prefix, *ids.tolist(), *special.suffix) if one != special.pad]

    def _decode(self, ids: Sequence[int], *, skip: bool) -> str:
        tokenizer = self._flow.tokenizer
        return tokenizer.decode(ids) if skip else tokenizer.join(tokenizer.strings(ids))

    def _targets(self, options: MaskOptions) -> list[int] | None:
        """The pieces of targets; for a target outside the vocabulary, its first piece, with a warning.

        Raises:
            ValueError: If no target has a piece.
        """
        if options.targets is None:
            return None
        words = [options.targets] if isinstance(options.targets, str) else list(options.targets)
        found = {piece: None for word in words if (piece := self._target(word)) is not None}
        if not found:
            raise ValueError(f"targets: {', '.join(map(repr, words))} have no piece; expected at least one that has")
        return list(found)

    def _target(self, word: str) -> int | None:
        if (known := self._index.get(word)) is not None:
            return known
        pieces = self._flow.tokenizer.encode([word]).ids
        if not len(pieces):
            _logger.warning("target %r has no piece and is left out", word)
            return None
        first = int(pieces[0])
        spelt = self._flow.tokenizer.strings([first])[0]
        _logger.warning("target %r is not a piece of the vocabulary; its first piece %r is taken", word, spelt)
        return first

    @cached_property
    def _index(self) -> dict[str, int]:
        """The vocabulary's pieces by their spelling."""
        return {string: index for index, string in enumerate(self._model.strings) if string}
