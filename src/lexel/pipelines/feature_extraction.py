"""transformers' feature-extraction pipeline: the last hidden states of each text, special pieces included.

``docs/compatibility.md`` lists the differences: a text longer than the model's window is read in windows, not cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from lexel.tasks.base import Block, Flow, gather_blocks
from lexel.tasks.framing import Layout
from lexel.tasks.loading import describe_flow
from lexel.tasks.slot_positions import text_positions
from lexel.tasks.unknown_arguments import refuse_unknown

OPTIONS = ("return_tensors", "truncation", "tokenize_kwargs", "batch_size", "num_workers")
_HARMLESS = ("truncation", "padding")
"""Arguments of the tokenizer that are accepted; nothing is cut or padded."""


class FeatureExtractionPipeline:
    """Returns hidden states like transformers' pipeline of this name. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``feature-extraction``.
    """

    task = "feature-extraction"

    def __init__(self, flow: Flow, options: Mapping[str, Any]) -> None:
        self._flow = flow
        self._options = dict(options)
        self._as_arrays(options)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """The hidden states of a text, of several, or of a stream of them.

        Args:
            inputs: A text, a list of texts, or any other iterable of texts.
            options: ``return_tensors`` (``"np"``: arrays instead of lists); ``truncation``, ``tokenize_kwargs``,
                ``batch_size`` and ``num_workers`` are accepted without effect.

        Returns:
            For a text, nested lists ``[1, pieces, hidden]``; for a list, a list of them; for any other iterable, an
            iterator of them.

        Raises:
            TypeError: If an argument is unknown, or a text is not a string.
            ValueError: If an argument has an invalid value.
        """
        as_arrays = self._as_arrays({**self._options, **options})
        if isinstance(inputs, str):
            return next(self._stream([inputs], as_arrays))
        if isinstance(inputs, list | tuple):
            return list(self._stream(inputs, as_arrays))
        if isinstance(inputs, Mapping | bytes) or not isinstance(inputs, Iterable):
            raise TypeError(f"inputs: expected a str, or an iterable of them; found a {type(inputs).__name__}")
        return self._stream(inputs, as_arrays)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self._flow)

    def _as_arrays(self, options: Mapping[str, Any]) -> bool:
        refuse_unknown(options, known=OPTIONS, refused={}, where=f"{self.task} pipeline")
        for name in options.get("tokenize_kwargs") or {}:
            if name not in _HARMLESS:
                raise TypeError(f"tokenize_kwargs: argument {name!r} is not taken; expected {', '.join(_HARMLESS)}")
        wanted = options.get("return_tensors")
        if wanted not in (None, False, "np"):
            raise ValueError(f"return_tensors is {wanted!r}; expected 'np' or nothing; torch.tensor(...) makes theirs")
        return wanted == "np"

    def _stream(self, texts: Iterable[Any], as_arrays: bool) -> Iterator[Any]:
        n_prefix = len(self._flow.tokenizer.special.prefix)

        def picks(layout: Layout) -> Any:
            return text_positions(layout, n_prefix=n_prefix).place > 0

        for block in self._flow.read(gather_blocks(_checked(texts)), picks=picks, read_empty=True):
            for states in self._by_text(block):
                yield states[None] if as_arrays else [states.tolist()]

    def _by_text(self, block: Block) -> Iterator[Any]:
        """The hidden states of each text of a block, ``[pieces, hidden]``."""
        reading = block.readings[self._flow.name]
        n_each = np.bincount(reading.windows.text[reading.window], minlength=len(block.texts))
        yield from np.split(reading.scores[self._flow.outputs[0]], np.cumsum(n_each)[:-1])


def _checked(texts: Iterable[Any]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {number}: expected a str, found a {type(text).__name__}")
        yield text
