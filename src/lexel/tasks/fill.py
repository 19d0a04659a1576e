"""Fills masked words, with probabilities: one mask, several, several decided together, words of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import accumulate, product
from math import exp
from typing import Any, TypedDict, Unpack, get_args

from lexel.checkpoint import Checkpoint
from lexel.data.offsets import unit_positions
from lexel.decoding.masks import (
    LENGTH_PENALTY,
    Hypothesis,
    Layout,
    Order,
    Rank,
    Ranking,
    Search,
    layouts_of,
    score_fillings,
    search_fillings,
    search_together,
)
from lexel.engines.choose import EngineKeywords, EngineOptions, describe
from lexel.errors import DataError, OptionError
from lexel.tasks.base import Flow
from lexel.tasks.candidate_words import CandidateWords
from lexel.tasks.checks import check_one, check_several, check_text
from lexel.tasks.loading import Source, announce, describe_flow, find_head, load_checkpoint, start_flow
from lexel.tasks.masked import Blank, FoundMasks, Mask, MaskedModel, MaskedText, MaskReader
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.perplexity import Perplexity, measuring
from lexel.tasks.streaming import Job, JobSteps, OnError, read_one, stream_results

TOP_K = 5
MAX_LAYOUTS = 256
"""Most combinations of lengths that are tried for masks decided together."""
MAX_CHOICES = 100_000
"""Most combinations of targets that are scored for masks decided together."""


@dataclass(frozen=True, slots=True)
class Part:
    """The filling of one mask: characters ``[start, end)`` of the filled text.

    Attributes:
        start: Its first character.
        end: One past its last.
        text: ``filled[start:end]``.
        pieces: Its pieces as the vocabulary spells them.
    """

    start: int
    end: int
    text: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to fill a blank.

    Attributes:
        filled: The text with this candidate; masks of other blanks are kept.
        parts: The filling of each mask of the blank.
        prob: Probability of all its pieces, given their number: for one piece the model's softmax, for several the
            probability of the chain (see ``lexel.decoding.masks``).
        score: The rank of a candidate: a log-probability, normalised by length; see ``FillOptions``.
    """

    filled: str
    parts: tuple[Part, ...]
    prob: float
    score: float

    @property
    def text(self) -> str:
        """The filling of the first mask."""
        return self.parts[0].text


@dataclass(frozen=True, slots=True)
class FilledBlank:
    """Masks that were decided together (without ``joint``, a single mask), and their candidates, best first.

    Attributes:
        masks: Characters ``[start, end)`` of the text, one pair per mask.
        candidates: The candidates.
    """

    masks: tuple[tuple[int, int], ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Filling:
    """A text with masks, and the candidates for them.

    Attributes:
        text: The caller's string.
        blanks: Its blanks in order; a blank text has none.
    """

    text: str
    blanks: tuple[FilledBlank, ...]

    def record(self, *, unit: str = "char") -> dict[str, Any]:
        """The filling as a JSON record.

        Args:
            unit: What offsets count: ``char``, ``utf16`` or ``byte``.
        """
        at = unit_positions(self.text, unit)
        return {
            "text": self.text,
            "blanks": [
                {
                    "masks": blank.masks if at is None else [at[list(mask)].tolist() for mask in blank.masks],
                    "candidates": [_record_of(candidate, unit) for candidate in blank.candidates],
                }
                for blank in self.blanks
            ],
            "offset_unit": unit,
        }

    @property
    def best(self) -> str:
        """The text with the best candidate in each blank; a blank without candidates stays masked."""
        found = [
            (mask, part.text)
            for blank in self.blanks
            for candidate in blank.candidates[:1]
            for mask, part in zip(blank.masks, candidate.parts, strict=True)
        ]
        return _replaced(self.text, [mask for mask, _ in found], [text for _, text in found])[0]


class FillKeywords(TypedDict, total=False):
    """The fields of ``FillOptions`` as keywords of ``load`` and of calls."""

    top_k: int | None
    targets: Sequence[str] | None
    joint: bool
    length: int | tuple[int, int]
    mask: str | None
    beam: int
    order: Order
    rank: Rank
    length_penalty: float
    max_chars: int | None


class FillLoadKeywords(EngineKeywords, FillKeywords, total=False):
    """The keywords of ``Filler.load``."""


@dataclass(frozen=True, slots=True)
class FillOptions:
    """How to fill masks: defaults of a filler, or the options of one call.

    Attributes:
        top_k: Number of candidates; by default 5, or all targets.
        targets: Words to choose from, of any length; by default the whole vocabulary.
        joint: Decide all masks of a text together.
        length: Number of pieces of a mask that does not state it: a number, or the minimum and the maximum.
        mask: Another spelling of a mask besides the tokenizer's own, such as ``____``.
        beam: Beam width for each length.
        order: The piece to decide next: the most ``certain``, or from ``left`` to right.
        rank: Rank by the ``chain``'s probability or by the pseudo-log-likelihood (``pll``).
        length_penalty: The log-probability is divided by the number of pieces to this power: 0 favours short fillings,
            1 is the mean per piece.
        max_chars: Refuse longer texts; ``None`` for no limit.
    """

    top_k: int | None = None
    targets: Sequence[str] | None = None
    joint: bool = False
    length: int | tuple[int, int] = 1
    mask: str | None = None
    beam: int = 16
    order: Order = "certain"
    rank: Rank = "chain"
    length_penalty: float = LENGTH_PENALTY
    max_chars: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("order", self.order, get_args(Order)), ("rank", self.rank, get_args(Rank))):
            if value not in known:
                raise OptionError(f"{name} is {value!r}; expected one of {', '.join(known)}")
        for name, number in (("top_k", self.top_k), ("beam", self.beam)):
            if number is not None and not (isinstance(number, int) and number >= 1):
                raise OptionError(f"{name} is {number!r}; expected 1 or more")
        if not _is_range(self.length):
            raise OptionError(f"length is {self.length!r}; expected a number from 1, or the fewest and the most pieces")

    @property
    def lengths(self) -> tuple[int, int]:
        """Fewest and most pieces of a mask."""
        return (self.length, self.length) if isinstance(self.length, int) else self.length

    @property
    def ranking(self) -> Ranking:
        """How fillings are scored."""
        return Ranking(self.order, self.rank, self.length_penalty)

    @property
    def wanted(self) -> int | None:
        """Number of candidates; ``None`` is all."""
        return self.top_k or (TOP_K if self.targets is None else None)


def _is_range(length: object) -> bool:
    """A number from 1, or two in order."""
    ends = (length, length) if isinstance(length, int) else length
    if not isinstance(ends, tuple | list) or len(ends) != 2 or not all(isinstance(end, int) for end in ends):
        return False
    return bool(1 <= ends[0] <= ends[1])


class Filler:
    """Fills masks. Safe to call from several threads.

    Create one with ``Filler.load``.

    Attributes:
        flow: The checkpoint, with its engine.
        options: Default options; a call can override them.
    """

    def __init__(self, flow: Flow, options: FillOptions) -> None:
        self.flow = flow
        self._model = MaskedModel(flow)
        self.options = options

    def __reduce__(self) -> tuple[Any, ...]:
        return Filler, (self.flow, self.options)

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        revision: str | None = None,
        pieces: str | None = None,
        script: str = "as-is",
        head: str | None = None,
        options: EngineOptions | None = None,
        **keywords: Unpack[FillLoadKeywords],
    ) -> Filler:
        """Load a masked-language model.

        Args:
            source: A model folder, a hub id (also ``owner/name@revision``), or an opened checkpoint.
            revision: Branch, tag or commit of a hub id.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            script: Convert texts to the script that the model reads, ``simplified`` or ``traditional``; masks are
                filled in that script.
            head: The head to use, if the folder has several that fill.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``FillOptions`` (``top_k``, ``targets``, ``joint``, ``length``, ``mask``,
                ``beam``, ``order``, ``rank``, ``length_penalty``, ``max_chars``); the latter are defaults that a call
                can override.

        Raises:
            CheckpointError: If the checkpoint cannot be used.
            LabelError: If it has no head that fills masks.
            EngineError: If this machine cannot run the requested engine, device or precision.
        """
        computing, usual = options_of_load(FillOptions(), options, keywords, load=cls.load)
        checkpoint: Checkpoint = load_checkpoint(source, revision=revision, pieces=pieces)
        name = find_head(checkpoint, "fill", name=head).name
        flow = start_flow(checkpoint, [name], computing, script=script)
        filler = cls(flow, usual)
        announce(flow)
        return filler

    def __call__(self, text: str, *, options: FillOptions | None = None, **changes: Unpack[FillKeywords]) -> Filling:
        """Fill the masks of one text.

        Args:
            text: A text with masks: ``[MASK]``, ``[MASK:3]`` (a stretch of three pieces), ``[MASK:1-4]``.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call: ``top_k``, ``targets``, ``joint``, ``length``, ``mask``, ``beam``,
                ``order``, ``rank``, ``length_penalty``, ``max_chars``; see ``FillOptions``.

        Raises:
            TypeError: If ``text`` is not a string, or an option is unknown.
            OptionError: If an option has a value that it cannot have.
            DataError: If there is no mask, or one is longer than the model's window.
        """
        check_one(text)
        return read_one(self._steps("text {}".format, self._asked(options, changes)), text)

    def stream(
        self,
        texts: Iterable[str],
        *,
        where: Callable[[int], str] = "text {}".format,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: FillOptions | None = None,
        **changes: Unpack[FillKeywords],
    ) -> Iterator[Filling]:
        """Fill the masks of texts lazily: one result for each, in order.

        Args:
            texts: Texts with masks; a blank one may have none.
            where: The name of a text in messages, by its number from 0.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        check_several(texts, reader="filler")
        return stream_results(self._steps(where, self._asked(options, changes)), texts, on_error=on_error, live=live)

    def perplexity(self, text: str, *, whole_words: bool = False) -> Perplexity:
        """Pseudo-perplexity of a text, with each piece masked in turn; see ``lexel.tasks.perplexity``."""
        check_one(text)
        return read_one(self._perplexity_steps(whole_words=whole_words), text)

    def stream_perplexities(
        self,
        texts: Iterable[str],
        *,
        whole_words: bool = False,
        on_error: OnError = "raise",
        live: bool | None = None,
    ) -> Iterator[Perplexity]:
        """The perplexities of texts, lazily and in order; ``on_error`` and ``live`` as in ``stream``."""
        check_several(texts, reader="filler")
        return stream_results(self._perplexity_steps(whole_words=whole_words), texts, on_error=on_error, live=live)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return describe_flow(self.flow)

    def __repr__(self) -> str:
        return f"<Filler: {describe(self.flow.engine)}>"

    def _asked(self, options: FillOptions | None, changes: FillKeywords) -> FillOptions:
        """The options of one call."""
        return options_of_call(self.options, options, changes, where="Filler")

    def _perplexity_steps(self, *, whole_words: bool) -> JobSteps[str, str, Perplexity]:
        return JobSteps(
            check=partial(check_text, max_chars=self.options.max_chars),
            size=len,
            job=partial(measuring, self.flow, mask=self._model.mask, whole_words=whole_words),
        )

    def _steps(self, where: Callable[[int], str], options: FillOptions) -> JobSteps[str, FoundMasks, Filling]:
        """How texts with masks are read."""
        flow = self.flow
        reader = MaskReader(flow.tokenizer, symbol=options.mask, length=options.lengths, window=flow.window)
        targets = options.targets and CandidateWords(
            options.targets, tokenizer=flow.tokenizer, spelling=self._model.spelling, most=flow.window
        )
        if options.targets is not None and not targets:
            raise OptionError("targets: an empty list; expected words to choose from")

        def check(number: int, text: str) -> FoundMasks:
            return reader.find(check_text(number, text, max_chars=options.max_chars), where(number))

        def job(texts: Sequence[FoundMasks]) -> Job[Filling]:
            return self._filling(reader.read(texts), options, targets or None)

        return JobSteps(check=check, size=lambda found: len(found.text), job=job)

    def _filling(
        self, texts: Sequence[MaskedText], options: FillOptions, targets: CandidateWords | None
    ) -> Job[Filling]:
        """The fillings of several texts; all their blanks are decided in parallel."""
        blanks = [
            [Blank(text, decided) for decided in _decided(len(text.masks), joint=options.joint)] for text in texts
        ]
        flat = [blank for own in blanks for blank in own]
        problems = [_Problem(blank, options, targets) for blank in flat]
        searching = search_together([problem.search() for problem in problems])
        try:
            asked = next(searching)
            while True:
                answers = yield from self._model.answering([(flat[n], query) for n, query in asked])
                asked = searching.send(list(answers))
        except StopIteration as end:
            found = iter(zip(problems, end.value, strict=True))
        return [
            Filling(text.text, tuple(self._result(*next(found)) for _ in own))
            for text, own in zip(texts, blanks, strict=True)
        ]

    def _result(self, problem: _Problem, found: Sequence[Hypothesis]) -> FilledBlank:
        """The candidates without duplicates: several piece sequences can spell the same words."""
        named: dict[tuple[str, ...], Hypothesis] = {}
        for one in found:
            for words in [self._words(problem.blank, one)] if problem.targets is None else problem.words_of(one):
                if problem.targets is not None or self._model.reads_back(words, one.stretches):
                    named.setdefault(words, one)
        chosen = list(named.items())[: problem.options.wanted]
        masks = tuple((mask.start, mask.end) for mask in problem.masks)
        return FilledBlank(masks, tuple(self._candidate(problem.blank, one, words) for words, one in chosen))

    def _words(self, blank: Blank, found: Hypothesis) -> tuple[str, ...]:
        """The filling of each mask, as text."""
        return tuple(
            self._word(blank, mask, stretch) for mask, stretch in zip(blank.decided, found.stretches, strict=True)
        )

    def _word(self, blank: Blank, mask: int, stretch: Sequence[int]) -> str:
        strings = self.flow.tokenizer.strings(stretch)
        word = self._model.text_of(strings)
        before = blank.text.text[: blank.text.masks[mask].start]
        parted = self._model.begins_after_blank(strings[0]) and before and not before[-1].isspace()
        return f" {word}" if parted else word

    def _candidate(self, blank: Blank, found: Hypothesis, words: Sequence[str]) -> Candidate:
        masks = [blank.text.masks[mask] for mask in blank.decided]
        filled, starts = _replaced(blank.text.text, [(mask.start, mask.end) for mask in masks], words)
        parts = (
            Part(start, start + len(word), word, tuple(self.flow.tokenizer.strings(stretch)))
            for start, word, stretch in zip(starts, words, found.stretches, strict=True)
        )
        return Candidate(filled, tuple(parts), exp(found.log_prob), found.score)


@dataclass(frozen=True)
class _Problem:
    """A blank to be filled: its search, and the words that a result stands for."""

    blank: Blank
    options: FillOptions
    targets: CandidateWords | None

    @cached_property
    def masks(self) -> list[Mask]:
        return [self.blank.text.masks[mask] for mask in self.blank.decided]

    def search(self) -> Search:
        """A new search.

        Raises:
            DataError: If there is too much to try.
        """
        options = self.options
        if self.targets is not None:
            return score_fillings(list(self._choices), ranking=options.ranking)
        lengths = [(mask.fewest, mask.most) for mask in self.masks]
        n_layouts = _product(most - fewest + 1 for fewest, most in lengths)
        if n_layouts > MAX_LAYOUTS:
            raise DataError(
                f"{self.blank.text.where}: {n_layouts:,} combinations of lengths; expected at most {MAX_LAYOUTS}. "
                "Give narrower lengths, or decide the masks one by one"
            )
        beam = max(options.beam, options.wanted or 1)
        return search_fillings(layouts_of(lengths), beam=beam, ranking=options.ranking)

    def words_of(self, found: Hypothesis) -> Sequence[tuple[str, ...]]:
        """The targets of a hypothesis; several may have the same pieces."""
        return self._choices[Hypothesis(found.layout, found.pieces)]

    @cached_property
    def _choices(self) -> dict[Hypothesis, list[tuple[str, ...]]]:
        """Combinations of targets, one for each mask, by their pieces."""
        assert self.targets is not None
        n_choices = len(self.targets.words) ** len(self.masks)
        if n_choices > MAX_CHOICES:
            raise DataError(
                f"{self.blank.text.where}: {n_choices:,} combinations of targets; expected at most {MAX_CHOICES:,}. "
                "Give fewer, or decide the masks one by one"
            )
        text = self.blank.text.text
        spelt = [
            list(zip(self.targets.words, self.targets.after(text[: mask.start][-1:]), strict=True))
            for mask in self.masks
        ]
        choices: dict[Hypothesis, list[tuple[str, ...]]] = {}
        for combination in product(*spelt):
            layout: Layout = tuple(len(pieces) for _, pieces in combination)
            pieces = tuple(piece for _, own in combination for piece in own)
            choices.setdefault(Hypothesis(layout, pieces), []).append(tuple(word for word, _ in combination))
        return choices


def _record_of(candidate: Candidate, unit: str) -> dict[str, Any]:
    record = asdict(candidate)
    at = unit_positions(candidate.filled, unit)
    if at is not None:
        for part in record["parts"]:
            part["start"], part["end"] = at[[part["start"], part["end"]]].tolist()
    return record


def _product(numbers: Iterable[int]) -> int:
    return list(accumulate(numbers, int.__mul__, initial=1))[-1]


def _decided(n_masks: int, *, joint: bool) -> list[tuple[int, ...]]:
    """Which masks are decided together."""
    everything = tuple(range(n_masks))
    return [everything] if joint and n_masks else [(mask,) for mask in everything]


def _replaced(text: str, masks: Sequence[tuple[int, int]], words: Sequence[str]) -> tuple[str, list[int]]:
    """A text with words in place of the masks, and where each word starts."""
    parts: list[str] = []
    starts: list[int] = []
    done = length = 0
    for (start, end), word in zip(masks, words, strict=True):
        starts.append(length + start - done)
        parts += (text[done:start], word)
        length = starts[-1] + len(word)
        done = end
    return "".join((*parts, text[done:])), starts
