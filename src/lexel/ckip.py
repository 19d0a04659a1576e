"""The three CKIP drivers with their own names and arguments, on Lexel's engines.

>>> from lexel.ckip import CkipWordSegmenter, CkipPosTagger, CkipNerChunker
>>> segment = CkipWordSegmenter(model="bert-base")                       # doctest: +SKIP
>>> words = segment(["王小明在台北。"])                                      # doctest: +SKIP
>>> tags = CkipPosTagger(model="bert-base")(words)                       # doctest: +SKIP

Models read text character by character, and decisions follow the drivers' rules: a word begins where the score for
beginning is strictly greater, a tag is its character's best, and only well-formed spans count.
``docs/compatibility.md`` lists the differences. For valid tags by Viterbi, scores and one pass for all three, use
``lexel.load``.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, Head, open_checkpoint
from lexel.engines.choose import EngineOptions, describe, device_named, start_engine
from lexel.errors import LabelError
from lexel.names import LABELS_PIECES
from lexel.tasks.base import Block, Flow, gather_blocks, gather_given, join_words
from lexel.text.alignment import bounds_of, read_chars

__all__ = ["CkipNerChunker", "CkipPosTagger", "CkipWordSegmenter", "NerToken"]

Cut = Literal["window", "ckip"]
Source = str | os.PathLike[str] | Checkpoint

DELIMITERS = "，,。：:；;！!？?"
"""Elements after which a context ends with ``use_delim``."""

WHITESPACE = "WHITESPACE"
"""The tag of a word that is blank or empty."""

MODELS = ("bert-base", "bert-tiny", "albert-base", "albert-tiny")
"""Short names of CKIP's models; ``bert-base`` is the hub's ``ckiplab/bert-base-chinese-ws``, ``-pos`` or ``-ner``."""

_logger = logging.getLogger("lexel")


class NerToken(NamedTuple):
    """An entity.

    Attributes:
        word: Its text.
        ner: Its type.
        idx: Its start and end in the text.
    """

    word: str
    ner: str
    idx: tuple[int, int]


class _Scored(NamedTuple):
    """A block whose characters have been read.

    Attributes:
        block: The texts, with the words of each for the tagger.
        bounds: Where each text's characters begin and end, ``[texts + 1]``.
        scores: Scores of each character, ``[chars, labels]``.
    """

    block: Block
    bounds: NDArray[np.int64]
    scores: NDArray[np.floating[Any]]


class _Driver:
    """Base of the three drivers: the model, contexts, and one row of scores for each character."""

    _kind: str  # ends the hub id
    _task: str  # selects the head if a folder has several

    def __init__(
        self,
        model: str = "bert-base",
        *,
        model_name: Source | None = None,
        device: object = -1,
        revision: str | None = None,
        engine: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: One of ``MODELS``.
            model_name: A model folder, a hub id or an opened checkpoint, in place of ``model``.
            device: -1 for the processor, 0, 1, ... for a GPU.
            revision: Branch, tag or commit of a hub id.
            engine: ``auto``, ``openvino``, ``onnxruntime``, ``torch`` or ``numpy``.
            precision: ``float32``, ``bf16``, ``float16``, or ``auto``.
            threads: Number of threads. Default: the physical cores that this process may use.

        Raises:
            ValueError: If ``model`` is not one of ``MODELS``.
            CheckpointError: If the model cannot be used.
            LabelError: If it has no head that this driver can read.
            EngineError: If this machine cannot run the requested engine, device or precision.
        """
        options = EngineOptions(engine=engine, precision=precision, threads=threads, device=device_named(device))
        checkpoint = _open(_hub_id(model, self._kind) if model_name is None else model_name, revision)
        self._head = _head_for(checkpoint, self._task)
        self._check_labels(f"{checkpoint.source.folder}: head {self._head.name}")
        outputs = [self._head.name]
        self._flow = Flow(self._kind, checkpoint, start_engine(checkpoint, options, heads=outputs), outputs=outputs)
        if checkpoint.card.notice:
            _logger.warning(checkpoint.card.notice)
        _logger.info(self.description)

    @property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return f"{self._flow.checkpoint.description}\nengine: {describe(self._flow.engine)}"

    def _check_labels(self, where: str) -> None:
        """Refuse a head that this driver cannot read."""

    def _read(
        self, blocks: Iterable[Block], *, use_delim: bool, delim_set: Iterable[str], max_length: int | None, cut: Cut
    ) -> Iterator[_Scored]:
        """Read each block in contexts."""
        if cut not in ("window", "ckip"):
            raise ValueError(f"cut is {cut!r}; expected 'window' or 'ckip'")
        longest = self._flow.window
        if max_length is not None and not 1 <= max_length <= longest:
            raise ValueError(f"max_length is {max_length}; expected 1 to {longest}, the longest context of this model")
        size = max_length or longest
        delimiters = frozenset(delim_set if use_delim else ())
        waiting: deque[_Scored] = deque()

        def contexts() -> Iterator[Block]:
            for block in blocks:
                bounds = bounds_of(map(len, block.texts), len(block.texts))
                waiting.append(_Scored(block, bounds, _NO_SCORES))
                edges = _edges(block, bounds, delimiters, size if cut == "ckip" else None)
                joined = "".join(block.texts)
                yield Block([joined[start:end] for start, end in pairwise(edges)])

        for read in self._flow.read(contexts(), window=size):
            yield waiting.popleft()._replace(scores=read.readings[self._kind].scores[self._head.name])


_NO_SCORES: NDArray[np.floating[Any]] = np.empty((0, 0), np.float32)


class CkipWordSegmenter(_Driver):
    """Cuts texts into words. Safe to call from several threads."""

    _kind = "ws"
    _task = "words"

    def __call__(
        self,
        input_text: Iterable[str],
        *,
        use_delim: bool = False,
        batch_size: int = 256,
        max_length: int | None = None,
        show_progress: bool = True,
        delim_set: Iterable[str] = DELIMITERS,
        pin_memory: bool = True,
        cut: Cut = "window",
    ) -> list[list[str]]:
        """Cut texts into words.

        Args:
            input_text: The texts.
            use_delim: End a context after each delimiter.
            batch_size: Accepted, without effect: rows are packed by pieces.
            max_length: Longest context, in characters; by default the model's.
            show_progress: Show a bar on a terminal.
            delim_set: The delimiters.
            pin_memory: Accepted, without effect.
            cut: What happens to texts longer than a context: ``window`` reads them in overlapping windows, ``ckip``
                cuts them hard, as CKIP's driver does.

        Returns:
            The words of each text.
        """
        texts = _texts(input_text)
        reading = self._read(
            gather_blocks(texts), use_delim=use_delim, delim_set=delim_set, max_length=max_length, cut=cut
        )
        return [
            words
            for scored in _shown(reading, len(texts), "words", show_progress=show_progress)
            for words in _words(scored)
        ]

    def _check_labels(self, where: str) -> None:
        if len(self._head.labels) != 2:
            raise LabelError(
                f"{where}: has {len(self._head.labels)} labels; expected 2, the first for beginning a word"
            )


class CkipPosTagger(_Driver):
    """Tags words with parts of speech. Safe to call from several threads."""

    _kind = "pos"
    _task = "pos"

    def __call__(
        self,
        input_text: Iterable[Sequence[str]],
        *,
        use_delim: bool = True,
        batch_size: int = 256,
        max_length: int | None = None,
        show_progress: bool = True,
        delim_set: Iterable[str] = DELIMITERS,
        pin_memory: bool = True,
        cut: Cut = "window",
    ) -> list[list[str]]:
        """Tag words; the other arguments are those of ``CkipWordSegmenter``.

        Args:
            input_text: The words of each text.
            use_delim: End a context after each word that is a delimiter.

        Returns:
            The tag of each word of each text.
        """
        texts = _word_lists(input_text)
        reading = self._read(
            gather_given(join_words(words, "") for words in texts),
            use_delim=use_delim,
            delim_set=delim_set,
            max_length=max_length,
            cut=cut,
        )
        return [
            tags
            for scored in _shown(reading, len(texts), "tags", show_progress=show_progress)
            for tags in _tags(scored, self._head.labels)
        ]


class CkipNerChunker(_Driver):
    """Finds named entities. Safe to call from several threads."""

    _kind = "ner"
    _task = "entities"

    def __call__(
        self,
        input_text: Iterable[str],
        *,
        use_delim: bool = False,
        batch_size: int = 256,
        max_length: int | None = None,
        show_progress: bool = True,
        delim_set: Iterable[str] = DELIMITERS,
        pin_memory: bool = True,
        cut: Cut = "window",
    ) -> list[list[NerToken]]:
        """Find entities; the other arguments are those of ``CkipWordSegmenter``.

        Args:
            input_text: The texts.

        Returns:
            The entities of each text.
        """
        texts = _texts(input_text)
        reading = self._read(
            gather_blocks(texts), use_delim=use_delim, delim_set=delim_set, max_length=max_length, cut=cut
        )
        return [
            entities
            for scored in _shown(reading, len(texts), "entities", show_progress=show_progress)
            for entities in _entities(scored, self._head.labels)
        ]

    def _check_labels(self, where: str) -> None:
        if not any(label.startswith(("E-", "S-")) for label in self._head.labels):
            raise LabelError(
                f"{where}: no label begins with E- or S-, so no entity would ever end; expected BIOES labels. "
                "For other schemes use lexel.load or lexel.pipeline"
            )


# Models --------------------------------------------------------------------------------------------------------------


def _hub_id(model: str, kind: str) -> str:
    if model not in MODELS:
        raise ValueError(f"model {model!r} is not known; expected one of {', '.join(MODELS)}, or pass model_name")
    return f"ckiplab/{model}-chinese-{kind}"


def _open(source: Source, revision: str | None) -> Checkpoint:
    """The checkpoint, read by characters; the names of its labels do not matter here."""
    if isinstance(source, Checkpoint):
        return source
    try:
        return open_checkpoint(source, revision=revision, pieces="chars", scheme="bare")
    except LabelError:  # several heads, whose schemes cannot be set from outside
        return open_checkpoint(source, revision=revision, pieces="chars")


def _head_for(checkpoint: Checkpoint, task: str) -> Head:
    """The head that labels characters; if there are several, the one for the task."""
    heads = [head for head in checkpoint.heads.values() if head.task in LABELS_PIECES]
    fitting = heads if len(heads) == 1 else [head for head in heads if head.task == task]
    if len(fitting) != 1:
        has = ", ".join(f"{head.name} ({head.task})" for head in checkpoint.heads.values()) or "a bare encoder"
        raise LabelError(f"{checkpoint.source.folder}: expected one head for {task}; it has {has}")
    return fitting[0]


# Input ---------------------------------------------------------------------------------------------------------------


def _texts(given: Iterable[str]) -> list[str]:
    if isinstance(given, str):
        raise TypeError("input_text: expected several texts (a list of str), found one str; put it in a list")
    texts = list(given)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"input_text: text {number}: expected a str, found a {type(text).__name__}")
    return texts


def _word_lists(given: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    if isinstance(given, str):
        raise TypeError("input_text: expected the words of several texts (a list of lists of str), found one str")
    texts = list(given)
    for number, words in enumerate(texts):
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise TypeError(f"input_text: text {number}: expected a list of words, found {type(words).__name__}")
    return texts


def _edges(block: Block, bounds: NDArray[np.int64], delimiters: Collection[str], limit: int | None) -> list[int]:
    """Where contexts end in the concatenated texts.

    A context ends with its text, after a delimiter, and before the element (character, or given word) that would make
    it longer than ``limit``; a word longer than that is cut.
    """
    ends, closes = _elements(block, delimiters)
    breaks: list[int] = np.unique(np.concatenate((bounds, ends[closes]))).tolist()
    if limit is None:
        return breaks
    fitting = np.append(0, ends)
    edges = breaks[:1]
    for start, end in pairwise(breaks):
        while end - start > limit:
            last = int(fitting[np.searchsorted(fitting, start + limit, side="right") - 1])
            start = last if last > start else start + limit
            edges.append(start)
        edges.append(end)
    return edges


def _elements(block: Block, delimiters: Collection[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each character, or given word, ends in the concatenated texts, and whether it is a delimiter."""
    if block.given_words is None:
        codes = read_chars(block.texts).codes
        single = [ord(delimiter) for delimiter in delimiters if len(delimiter) == 1]
        return np.arange(1, len(codes) + 1), np.isin(codes, np.array(single, np.uint32))
    ranges = zip(block.texts, block.given_words, strict=True)
    words = [text[start:end] for text, own in ranges for start, end in own.tolist()]
    ends = np.cumsum(np.fromiter(map(len, words), np.int64, len(words)))
    return ends, np.fromiter((word in delimiters for word in words), np.bool_, len(words))


# Decisions -----------------------------------------------------------------------------------------------------------


def _words(scored: _Scored) -> Iterator[list[str]]:
    """A word begins where the score for beginning is strictly greater, and at the start of a text."""
    begins = scored.scores[:, 0] > scored.scores[:, 1]
    for i, text in enumerate(scored.block.texts):
        first, end = scored.bounds[i], scored.bounds[i + 1]
        starts = (np.flatnonzero(begins[first + 1 : end]) + 1).tolist()
        yield [text[a:b] for a, b in pairwise([0, *starts, len(text)])] if text else []


def _tags(scored: _Scored, labels: Sequence[str]) -> Iterator[list[str]]:
    """The best label of a word's first character."""
    best = scored.scores.argmax(axis=1) if len(scored.scores) else np.zeros(0, np.int64)
    for i, (text, words) in enumerate(zip(scored.block.texts, scored.block.given_words or (), strict=True)):
        own = best[scored.bounds[i] : scored.bounds[i + 1]]
        yield [
            WHITESPACE if start == end or text[start:end].isspace() else labels[own[start]]
            for start, end in words.tolist()
        ]


def _entities(scored: _Scored, labels: Sequence[str]) -> Iterator[list[NerToken]]:
    """Spans ``B I* E`` of one type, and single characters ``S``; everything else is dropped."""
    starts, ends = _well_formed(scored, labels)
    types = [label.partition("-")[2] for label in labels]
    best = scored.scores.argmax(axis=1) if len(scored.scores) else np.zeros(0, np.int64)
    of_text = np.searchsorted(starts, scored.bounds)
    for i, text in enumerate(scored.block.texts):
        low, high, shift = of_text[i], of_text[i + 1], int(scored.bounds[i])
        ranges = zip((starts[low:high] - shift).tolist(), (ends[low:high] - shift).tolist(), strict=True)
        yield [NerToken(text[start:end], types[best[start + shift]], (start, end)) for start, end in ranges]


def _well_formed(scored: _Scored, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of each span in the concatenated texts, ``[spans]``.

    A character continues the one before it if that is ``B`` or ``I``, it is itself ``I`` or ``E``, and both have the
    same type. A run of continuations that begins with ``B`` and ends with ``E`` is a span.
    """
    if not len(scored.scores):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    roles = np.array([label[:1] if label[1:2] == "-" else "O" for label in labels])
    types = [label.partition("-")[2] for label in labels]
    type_ids = np.array([types.index(type) for type in types])
    best = scored.scores.argmax(axis=1)
    role, kind = roles[best], type_ids[best]
    goes_on = np.zeros(len(best), np.bool_)
    goes_on[1:] = np.isin(role[:-1], ("B", "I")) & np.isin(role[1:], ("I", "E")) & (kind[1:] == kind[:-1])
    goes_on[scored.bounds[:-1][scored.bounds[:-1] < len(best)]] = False
    run_start = np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(best))))
    closes = ((role == "E") & (role[run_start] == "B")) | (role == "S")
    last = np.flatnonzero(closes)
    return run_start[last], last + 1


# Progress ------------------------------------------------------------------------------------------------------------


def _shown(reading: Iterator[_Scored], n_texts: int, what: str, *, show_progress: bool) -> Iterator[_Scored]:
    """The same blocks, with a bar on stderr if that is a terminal."""
    if not (show_progress and sys.stderr.isatty()):
        yield from reading
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(what, total=n_texts)
        for scored in reading:
            yield scored
            progress.advance(bar, len(scored.block.texts))
