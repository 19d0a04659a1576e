"""The models of a server: each is opened once, and its readers are made on first use.

A reader is a task of ``lexel.tasks``, or a pipeline of ``lexel.pipelines`` for the wires that use its shapes. All
readers of a model that compute the same heads share one engine.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.card import read_languages
from lexel.checkpoint.sentence_transformers import is_sentence_folder
from lexel.describe.languages import Vocabulary, look_at_vocabulary
from lexel.engines.base import Engine
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import LexelError, MissingExtra, OptionError
from lexel.names import LABELS_PIECES, TAGGING
from lexel.pipelines.pipeline import TASKS
from lexel.serving.failures import UnknownModel, unknown_model
from lexel.serving.options import ModelSpec
from lexel.serving.turns import SharedEngine, Turns
from lexel.tasks.answer import Answerer
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.fill import Filler
from lexel.tasks.tag import TASKS_OF_LAYER, Tagger
from lexel.tasks.zero_shot import ZeroShotClassifier
from lexel.text.tokenizer import load_tokenizer

_logger = logging.getLogger("lexel.serving")
AS_IS = "as-is"
"""The value of ``script`` that converts nothing."""

Load = Callable[[Checkpoint, EngineOptions, str], Any]
Read = Callable[[Any, Sequence[Any], Mapping[str, Any]], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Reader:
    """How a task is loaded, and how it reads items.

    Attributes:
        heads: Tasks of heads, one of which it needs; empty if the encoder is enough.
        load: Makes it from an opened checkpoint and the script that its texts are converted to.
        read: Reads items with the options of a call.
    """

    heads: tuple[str, ...]
    load: Load
    read: Read


def _stream(reader: Any, items: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Any]:
    results: Iterator[Any] = reader.stream(items, on_error="yield", **options)
    return results


def _zero_shot(reader: ZeroShotClassifier, items: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Any]:
    own = dict(options)
    return reader.stream(items, own.pop("labels"), on_error="yield", **own)


def _call(reader: Any, items: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Any]:
    with _refusals():
        yield from reader(iter(items), **options)


def _zero_shot_call(reader: Any, items: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Any]:
    own = dict(options)
    with _refusals():
        if "candidate_labels" not in own:
            raise OptionError("candidate_labels: missing; expected a list of labels")
        yield from reader(iter(items), own.pop("candidate_labels"), **own)


def _questions(reader: Any, items: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Any]:
    with _refusals():
        for question, context in items:
            yield reader(question=question, context=context, **options)


@contextmanager
def _refusals() -> Iterator[None]:
    """A pipeline refuses parameters and texts with the errors of transformers' pipelines; a client gets their message.

    Raises:
        OptionError: For a TypeError or a ValueError.
    """
    try:
        yield
    except LexelError:
        raise
    except (TypeError, ValueError) as error:
        _logger.warning("a pipeline refused a request: %r", error)
        raise OptionError(str(error)) from error


def _task(load: Callable[..., Any]) -> Load:
    return lambda checkpoint, options, script: load(checkpoint, options=options, script=script)


def _pipeline(task: str) -> Load:
    return lambda checkpoint, options, script: TASKS[task].build(checkpoint, options, {})


_TAGGING = tuple(dict.fromkeys(task for tasks in TASKS_OF_LAYER.values() for task in tasks))

READERS: Mapping[str, Reader] = {
    "tag": Reader(_TAGGING, _task(Tagger.load), _stream),
    "fill": Reader(("fill",), _task(Filler.load), _stream),
    "classify": Reader(("classify",), _task(Classifier.load), _stream),
    "zero-shot": Reader(("classify",), _task(partial(ZeroShotClassifier.load, labels=("a label",))), _zero_shot),
    "answer": Reader(("answer",), _task(Answerer.load), _stream),
    "embed": Reader((), _task(Embedder.load), _stream),
    "token-classification": Reader(LABELS_PIECES, _pipeline("token-classification"), _call),
    "text-classification": Reader(("classify",), _pipeline("text-classification"), _call),
    "fill-mask": Reader(("fill",), _pipeline("fill-mask"), _call),
    "feature-extraction": Reader((), _pipeline("feature-extraction"), _call),
    "zero-shot-classification": Reader(("classify",), _pipeline("zero-shot-classification"), _zero_shot_call),
    "question-answering": Reader(("answer",), _pipeline("question-answering"), _questions),
}
"""Every task of a server: Lexel's own names, and transformers' names for its shapes."""

OWN_TASKS = ("tag", "fill", "classify", "zero-shot", "answer", "embed")


def _script(task: str, options: Mapping[str, Any]) -> str:
    """The script that a task's texts are converted to; the pipelines of transformers have no such option."""
    return (options.get("script") or AS_IS) if task in OWN_TASKS else AS_IS


@dataclass(frozen=True, slots=True)
class ReaderLane:
    """One reader with certain options; see ``lexel.serving.scheduler.Lane``."""

    key: Hashable
    reader: Any
    how: Read
    options: Mapping[str, Any]

    def read(self, items: Sequence[Any]) -> Iterator[Any]:
        """A result for each item."""
        return self.how(self.reader, items, self.options)


class ServedModel:
    """One model of a server.

    Args:
        spec: Its name and source.
        options: The engines' options.
        share: Wraps an engine so that callers share it fairly.

    Attributes:
        name: Its name in requests.
        checkpoint: The opened checkpoint.
        tasks: The tasks of ``OWN_TASKS`` that its heads allow.
        made_for: Those of ``tasks`` that it was made for: without ``embed`` if all its heads tag, and its folder does
            not say how texts become vectors. Such vectors can be computed, but capture little of the meaning of texts.
        languages: The languages that its card names.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions, *, share: Callable[[Engine], Engine]) -> None:
        self.name: str = spec.name
        self.checkpoint: Checkpoint = open_checkpoint(spec.source, expects=spec.expects)
        self.languages: tuple[str, ...] = read_languages(self.checkpoint.source.folder)
        self._options = replace(options, start=self._engine)
        self._share = share
        self._engines: dict[frozenset[str], Engine] = {}
        self._readers: dict[tuple[str, str], Any] = {}  # by task and script
        self._plain_lanes: dict[str, ReaderLane] = {}  # by task, without options
        self._lock = threading.RLock()
        has = {head.task for head in self.checkpoint.heads.values()}
        self.tasks: tuple[str, ...] = tuple(
            task for task in OWN_TASKS if not READERS[task].heads or not has.isdisjoint(READERS[task].heads)
        )
        only_tags = bool(has) and has.issubset(TAGGING) and not is_sentence_folder(self.checkpoint.source.folder)
        self.made_for: tuple[str, ...] = tuple(task for task in self.tasks if task != "embed" or not only_tags)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Facts about the texts that it reads, from its vocabulary."""
        source, config = self.checkpoint.source, self.checkpoint.config
        tokenizer = load_tokenizer(source.folder, pieces=self.checkpoint.pieces, model_type=config.model_type)
        return look_at_vocabulary(tokenizer)

    def reader(self, task: str, *, script: str = AS_IS) -> Any:
        """The reader of a task, loaded on first use.

        Args:
            task: One of ``READERS``.
            script: The script that Chinese texts are converted to before reading; offsets refer to the original texts.

        Raises:
            UnknownModel: If the model has no head for it.
            MissingExtra: If the conversion library is not installed.
        """
        with self._lock:
            key = task, script
            if key not in self._readers:
                if task not in READERS:
                    raise UnknownModel(f"no task {task!r}; expected one of {', '.join(READERS)}")
                try:
                    self._readers[key] = READERS[task].load(self.checkpoint, self._options, script)
                except MissingExtra:
                    raise
                except LexelError as error:
                    raise UnknownModel(f"model {self.name!r} cannot {task}: {error}") from error
            return self._readers[key]

    def has_reader(self, task: str, options: Mapping[str, Any] | None = None) -> bool:
        """Whether the reader of a task with options is loaded."""
        return (task, _script(task, options or {})) in self._readers

    def lane(self, task: str, options: Mapping[str, Any] | None = None) -> ReaderLane:
        """The lane of a task with options; equal options give equal lanes. ``script`` chooses the reader.

        Raises:
            UnknownModel: If the model has no head for it.
            MissingExtra: If the library for converting scripts is not installed.
        """
        if not options and task in self._plain_lanes:
            return self._plain_lanes[task]
        given = {name: value for name, value in (options or {}).items() if value is not None}
        key = (self.name, task, json.dumps(given, sort_keys=True, default=id))
        reader = self.reader(task, script=_script(task, given))
        given = {name: value for name, value in given.items() if name != "script" or task not in OWN_TASKS}
        lane = ReaderLane(key, reader, READERS[task].read, given)
        if not options:
            self._plain_lanes[task] = lane
        return lane

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that were started."""
        return tuple(self._engines.values())

    def _engine(self, checkpoint: Checkpoint, options: EngineOptions, heads: Collection[str] | None) -> Engine:
        key = frozenset(heads or ())
        if key not in self._engines:
            self._engines[key] = self._share(start_engine(checkpoint, replace(options, start=None), heads=heads))
        return self._engines[key]


class Models:
    """The models of a server by name; the first is the default.

    Args:
        specs: The models.
        options: The engines' options.
        turns: Shared by all engines.
        check: Called before each batch of an engine.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], options: EngineOptions, *, turns: Turns, check: Callable[[], None]
    ) -> None:
        def share(engine: Engine) -> Engine:
            return SharedEngine(engine, turns, check)

        self._models = {spec.name: ServedModel(spec, options, share=share) for spec in specs}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    @property
    def default(self) -> ServedModel:
        """The first model."""
        return next(iter(self._models.values()))

    def __getitem__(self, name: str | None) -> ServedModel:
        """The model with a name; ``None`` or an empty name means the default.

        Raises:
            UnknownModel: If there is none of that name.
        """
        if not name:
            return self.default
        if name not in self._models:
            raise UnknownModel(unknown_model(name, self._models))
        return self._models[name]

    def able(self, name: str | None, task: str) -> ServedModel:
        """The model with a name; without a name, the first with a head for the task.

        Raises:
            UnknownModel: If there is none.
        """
        if name:
            return self[name]
        needs = READERS[task].heads
        for model in self:
            if not needs or any(head.task in needs for head in model.checkpoint.heads.values()):
                return model
        raise UnknownModel(f"no model of this server can {task}; it has {', '.join(self._models)}")
