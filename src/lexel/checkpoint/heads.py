"""Finds the heads of a folder, with their labels and weights.

A Lexel folder lists them in ``lexel.json``; for a plain Hugging Face folder, they follow from the name of its
architecture and its labels. The caller can override the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from lexel.checkpoint.adapter import AdapterConfig, read_adapter
from lexel.checkpoint.quantised import Quantised, read_quantised
from lexel.checkpoint.tuned import Tuned, read_tuned
from lexel.checkpoint.weights import HARMLESS, open_weights
from lexel.encoder.family import ModelConfig
from lexel.errors import CheckpointError, LabelError
from lexel.jsonfile import read_object
from lexel.labels import detect
from lexel.names import PIECES, PROBLEMS, SPAN_TASKS, TAGGING, TASKS, Pieces, Problem, Task, WordLabel
from lexel.pointers import PointerForm, check_span_labels, read_pointer

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint

_Choice = TypeVar("_Choice", bound=str)

FORMAT = 1
"""The ``lexel.json`` format that this version writes, and the newest that it reads."""

MOST_HEADS = 64

CHARACTER_OWNERS = ("ckiplab",)
"""Hub owners whose checkpoints were trained on single characters, although their files do not say so."""

PLAIN_CLASSIFIER = "classifier"
"""The prefixes of outputs for labels of pieces and of texts in a plain folder."""

_ARCHITECTURE = re.compile(
    r"\w+?For(TokenClassification|MaskedLM|PreTraining|SequenceClassification|QuestionAnswering)"
)
_DETECTED: dict[str, tuple[str, Task]] = {
    "words": ("words", "words"),
    "words+pos": ("words+pos", "words+pos"),
    "entities": ("entities", "entities"),
    "labels": ("pos", "pos"),
}
"""Name and task of a token classifier's head, by the task of its labels."""

_UNNAMED = ("LABEL_0", "LABEL_1")
"""transformers' default labels for a config without labels."""

_FILE_KEYS = {"format", "pieces", "heads", "adapter", "quantised", "base", "made"}
_HEAD_KEYS = {"task", "labels", "scheme", "prefix", "word_label", "problem", "tuned", "crf", "pointer"}
_NAME = re.compile(r"[A-Za-z][\w+-]*")
_PREFIX = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True, slots=True)
class Head:
    """One head on a shared encoder.

    Attributes:
        name: Its name.
        task: Its task.
        labels: Names of its outputs in order; empty for ``fill``, ``answer`` and ``embed``.
        scheme: The scheme of its tags, for heads that tag pieces; ``None`` for others.
        prefix: Prefix of its tensors' names, without the last dot.
        word_label: A word's label is that of its ``first`` piece, or by the ``mean``; ``None`` if words get none.
        problem: For a text classifier: one label per text (``single``), any number (``multi``), or numbers
            (``regression``); ``None`` for others.
        tuned: Values chosen on development data.
        crf: Whether it has the transition scores of a CRF.
        pointer: The form of a head for spans.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    scheme: str | None
    prefix: str
    word_label: WordLabel | None = None
    problem: Problem | None = None
    tuned: Tuned = field(default_factory=Tuned)
    crf: bool = False
    pointer: PointerForm | None = None


class FolderHeads(NamedTuple):
    """The result of ``read_heads``.

    Attributes:
        heads: The heads by name, in the file's order.
        pieces: The units that the model reads: single characters, or its tokenizer's pieces.
        made: How the model was made (data checksums, recipe, versions), from ``lexel.json``.
        base: Its base model.
        labels_from: The source of the labels, a file or the caller; for messages.
        adapter: The bottleneck adapters in its encoder, if it has any.
        quantised: The quantised graph next to its weights, if there is one.
    """

    heads: dict[str, Head]
    pieces: Pieces
    made: Mapping[str, Any]
    base: Mapping[str, Any]
    labels_from: str
    adapter: AdapterConfig | None = None
    quantised: Quantised | None = None


def read_heads(
    folder: Path,
    config: ModelConfig,
    *,
    repo_id: str | None = None,
    pieces: str | None = None,
    scheme: str | None = None,
    labels: Sequence[str] | None = None,
) -> FolderHeads:
    """Find the heads of a folder.

    Args:
        folder: The model folder.
        config: The content of its ``config.json``.
        repo_id: Its hub id, if it came from the hub.
        pieces: ``chars`` or ``tokenizer``, to override detection.
        scheme: The scheme of the only tagging head, to override detection.
        labels: The labels of the only tagging head by output, to override the file's.

    Raises:
        CheckpointError: If ``lexel.json`` is invalid.
        LabelError: If labels and scheme do not match each other or the config.
    """
    if isinstance(labels, str):
        raise LabelError(f"labels: {labels!r} is one string; expected a list of names in the order of the outputs")
    if pieces is not None and pieces not in PIECES:
        raise CheckpointError(f"pieces: {pieces!r}; expected one of {', '.join(PIECES)}")
    path = folder / "lexel.json"
    asked = _Asked(None if labels is None else tuple(labels), scheme)
    found = _read_file(path, config, asked) if path.exists() else _derive(folder, config, asked, repo_id=repo_id)
    return found if pieces is None else found._replace(pieces="chars" if pieces == "chars" else "tokenizer")


class _Asked(NamedTuple):
    """The caller's overrides."""

    labels: tuple[str, ...] | None
    scheme: str | None

    @property
    def anything(self) -> bool:
        return self.labels is not None or self.scheme is not None

    def labels_in_place_of(self, labels: tuple[str, ...], where: str) -> tuple[str, ...]:
        """The caller's labels, if any; their number must equal that of the file's labels, if it has any."""
        if self.labels is not None and labels and len(self.labels) != len(labels):
            raise LabelError(
                f"labels: {len(self.labels)} names given ({_some(self.labels)}), {where} has {len(labels)} "
                f"({_some(labels)}); expected one for each output, in its order"
            )
        return labels if self.labels is None else self.labels


def describe_heads(checkpoint: Checkpoint) -> dict[str, Any]:
    """The facts of ``lexel.json`` about a checkpoint, or their equivalents for a plain folder."""
    path = checkpoint.source.folder / "lexel.json"
    if path.exists():
        return read_object(path)
    heads = {}
    for head in checkpoint.heads.values():
        values = {key: getattr(head, key) for key in ("task", "labels", "scheme", "prefix", "word_label", "problem")}
        heads[head.name] = {key: value for key, value in values.items() if value not in (None, ())}
        if head.pointer is not None:
            heads[head.name]["pointer"] = head.pointer.record
    base = {"id": checkpoint.source.repo_id or checkpoint.source.folder.name, "revision": checkpoint.source.commit}
    return {"format": FORMAT, "pieces": checkpoint.pieces, "heads": heads, "base": base}


# Plain folders -------------------------------------------------------------------------------------------------------


def _derive(folder: Path, config: ModelConfig, asked: _Asked, *, repo_id: str | None) -> FolderHeads:
    """The head that follows from an architecture's name."""
    where = str(folder / "config.json")
    kind = _kind_of(config, asked)
    if asked.anything and kind != "TokenClassification":
        head: Head | None = _head_in_weights(folder, config, asked, where)
    elif kind == "TokenClassification":
        head = _tagging_head(config, asked, where, prefix=PLAIN_CLASSIFIER)
    else:
        head = _other_head(kind, config, where)
    owner = (repo_id or "").partition("/")[0]
    pieces: Pieces = "chars" if owner in CHARACTER_OWNERS else "tokenizer"
    labels_from = "config.json" if asked.labels is None else "the labels given"
    return FolderHeads({head.name: head} if head else {}, pieces, {}, {}, labels_from)


def _kind_of(config: ModelConfig, asked: _Asked) -> str | None:
    """The task of the architecture; an unnamed one is for tagging if the caller passes labels."""
    match = _ARCHITECTURE.fullmatch(config.architecture or "")
    if match:
        return match[1]
    return "TokenClassification" if config.architecture is None and asked.anything else None


def _head_in_weights(folder: Path, config: ModelConfig, asked: _Asked, where: str) -> Head:
    """A tagging head that does not follow from the architecture's name, found by the shape of its tensors.

    Raises:
        LabelError: If there is none, or several; the message names the tensors outside the encoder.
    """
    shapes = open_weights(folder).shapes
    n_labels = len(asked.labels_in_place_of(config.labels, where))
    found = [
        name.removesuffix(".weight")
        for name, shape in shapes.items()
        if name.endswith(".weight")
        and shape == (n_labels, config.hidden_size)
        and shapes.get(f"{name.removesuffix('.weight')}.bias") == (n_labels,)
        and not name.startswith(f"{config.family.prefix}.")
    ]
    prefix = PLAIN_CLASSIFIER if PLAIN_CLASSIFIER in found else found[0] if len(found) == 1 else None
    if prefix is None:
        raise LabelError(
            f"{where}: {config.architecture} has no tagging head, and of the weights outside the encoder "
            f"({describe_tensors(shapes, config) or 'none'}) no single map has an output for each of {n_labels} "
            "labels. Give one label for each output"
        )
    return _tagging_head(config, asked, where, prefix=prefix)


def describe_tensors(shapes: Mapping[str, tuple[int, ...]], config: ModelConfig) -> str:
    """Tensors outside the encoder and the heads of its family, with their shapes; empty if there are none."""
    own = [pattern for pattern, _ in (*HARMLESS, *config.family.unused)] + [f"{config.family.prefix}.*"]
    is_own = re.compile("|".join(map(translate, own))).match
    if not any(name.startswith(f"{config.family.prefix}.") for name in shapes):
        return ""  # a bare encoder, whose tensors have no prefix
    others = [f"{name} {list(shape)}" for name, shape in shapes.items() if not is_own(name)]
    return _some(others)


def _tagging_head(config: ModelConfig, asked: _Asked, where: str, *, prefix: str) -> Head:
    labels = asked.labels_in_place_of(config.labels, where) or _UNNAMED
    label_set = detect(labels, scheme=asked.scheme, where="labels" if asked.labels is not None else where)
    name, task = _DETECTED[label_set.task]
    return Head(name, task, labels, label_set.scheme, prefix, _default_word_label(task))


def _other_head(kind: str | None, config: ModelConfig, where: str) -> Head | None:
    if kind == "SequenceClassification":
        labels = config.labels or _UNNAMED
        said = config.problem_type
        problem = (
            _default_problem(labels)
            if said is None
            else PROBLEMS[_one_of(said, tuple(PROBLEMS), f"{where}: problem_type")]
        )
        return Head("classify", "classify", labels, None, PLAIN_CLASSIFIER, problem=problem)
    if kind == "QuestionAnswering":
        return Head("answer", "answer", (), None, config.family.answer.output)
    if kind in ("MaskedLM", "PreTraining") and f"For{kind}" not in config.family.missing_heads:
        return Head("fill", "fill", (), None, config.family.fill.prefix)
    return None


def _default_problem(labels: Sequence[str]) -> Problem:
    """The default for the outputs of a text classifier: one output is a number, several are classes."""
    return "regression" if len(labels) == 1 else "single"


def _default_word_label(task: Task) -> Literal["first"] | None:
    return "first" if task in ("pos", "words+pos", "labels") else None


# lexel.json ----------------------------------------------------------------------------------------------------------


def _read_file(path: Path, config: ModelConfig, asked: _Asked) -> FolderHeads:
    values = read_object(path)
    version = values.get("format")
    if type(version) is not int or version < 1:
        raise CheckpointError(f"{path}: format is {version!r}; expected {FORMAT}")
    if version > FORMAT:
        raise CheckpointError(
            f"{path}: format {version} is newer than this Lexel reads ({FORMAT}). Install a newer Lexel"
        )
    _check_keys(values, _FILE_KEYS, str(path), required=("pieces", "heads"))
    pieces = _one_of(values["pieces"], PIECES, f"{path}: pieces")
    entries = _mapping(values["heads"], f"{path}: heads")
    if len(entries) > MOST_HEADS:
        raise CheckpointError(f"{path}: {len(entries):,} heads; expected at most {MOST_HEADS}")
    only = _only_tagging(entries, path) if asked.anything else None
    heads = {
        name: _read_head(name, entry, path, config, asked if name == only else _Asked(None, None))
        for name, entry in entries.items()
    }
    prefixes = [head.prefix for head in heads.values()]
    if len(set(prefixes)) < len(prefixes):
        raise CheckpointError(
            f"{path}: two heads have the prefix {max(prefixes, key=prefixes.count)!r}; expected one each"
        )
    made, base = (_mapping(values.get(key) or {}, f"{path}: {key}") for key in ("made", "base"))
    adapter = read_adapter(values.get("adapter"), f"{path}: adapter")
    labels_from = "lexel.json" if asked.labels is None else "the labels given"
    quantised = read_quantised(values.get("quantised"), f"{path}: quantised")
    return FolderHeads(heads, pieces, made, base, labels_from, adapter, quantised)


def _only_tagging(entries: Mapping[str, Any], path: Path) -> str:
    names = [name for name, entry in entries.items() if isinstance(entry, dict) and entry.get("task") in TAGGING]
    if len(names) != 1:
        raise LabelError(
            f"{path}: has the tagging heads {', '.join(names) or '(none)'}; labels and a scheme can be given "
            "for a folder with one. Change them in the file"
        )
    return names[0]


def _read_head(name: str, entry: Any, path: Path, config: ModelConfig, asked: _Asked) -> Head:
    where = f"{path}: head {name!r}"
    entry = _mapping(entry, where)
    _check_keys(entry, _HEAD_KEYS, where, required=("task", "prefix"))
    task = _one_of(entry["task"], TASKS, f"{where}: task")
    prefix = _pattern(entry["prefix"], _PREFIX, f"{where}: prefix")
    labels = asked.labels_in_place_of(_label_list(entry.get("labels", []), where), where)
    scheme = asked.scheme or _pattern_or_none(entry.get("scheme"), f"{where}: scheme")
    word_label = entry.get("word_label")
    how: Any = (
        _default_word_label(task)
        if word_label is None
        else _one_of(word_label, ("first", "mean"), f"{where}: word_label")
    )
    _pattern(name, _NAME, f"{path}: name of a head")
    if task == "classify":
        _check_config(labels, prefix, config, where)
        return _text_classifier(name, entry.get("problem"), labels, prefix, where)
    if task not in TAGGING:
        return Head(name, task, labels, scheme, prefix, how)
    tuned = read_tuned(entry.get("tuned"), f"{where}: tuned")
    if task == "spans":
        check_span_labels(labels, f"{where}: labels")
        pointer = read_pointer(entry.get("pointer"), f"{where}: pointer")
        return Head(name, task, labels, "bare", prefix, tuned=tuned, pointer=pointer)
    _check_config(labels, prefix, config, where)
    crf = entry.get("crf", False)
    if not isinstance(crf, bool) or (crf and task not in SPAN_TASKS):
        raise CheckpointError(
            f"{where}: crf is {crf!r} of a head for {task}; expected true for {', '.join(SPAN_TASKS)}"
        )
    return Head(name, task, labels, _scheme(task, labels, scheme, where), prefix, how, tuned=tuned, crf=crf)


def _text_classifier(name: str, problem: Any, labels: tuple[str, ...], prefix: str, where: str) -> Head:
    if not labels:
        raise LabelError(f"{where}: no labels; expected the names of its outputs in order")
    said = None if problem is None else _one_of(problem, tuple(PROBLEMS.values()), f"{where}: problem")
    return Head(name, "classify", labels, None, prefix, problem=said or _default_problem(labels))


def _scheme(task: Task, labels: tuple[str, ...], scheme: str | None, where: str) -> str:
    """The scheme of a tagging head's labels, which must match its task."""
    if task in ("pos", "labels"):
        scheme = scheme or "bare"
    label_set = detect(labels, scheme=scheme, where=where)
    if task in SPAN_TASKS and label_set.task != task and label_set.scheme != "bare":
        raise LabelError(
            f"{where}: is for {task}, its labels ({_some(labels)}) say {label_set.task}. Correct its task or labels"
        )
    return label_set.scheme


def _check_config(labels: tuple[str, ...], prefix: str, config: ModelConfig, where: str) -> None:
    """The only head of a plain folder is in both files, which must agree, except that default names may be replaced."""
    made_up = config.labels == tuple(f"LABEL_{i}" for i in range(len(config.labels)))
    if prefix != "classifier" or not config.labels or (made_up and len(labels) == len(config.labels)):
        return
    if labels != config.labels:
        raise LabelError(
            f"{where}: has {len(labels)} labels ({_some(labels)}), id2label in config.json {len(config.labels)} "
            f"({_some(config.labels)}); expected the same in both"
        )


def _check_keys(values: Mapping[str, Any], known: set[str], where: str, *, required: Sequence[str]) -> None:
    unknown, missing = sorted(values.keys() - known), [key for key in required if key not in values]
    if unknown:
        raise CheckpointError(
            f"{where}: unknown key {', '.join(map(repr, unknown))}; expected {', '.join(sorted(known))}"
        )
    if missing:
        raise CheckpointError(f"{where}: no {', '.join(map(repr, missing))}; expected it")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckpointError(f"{where} is a {type(value).__name__}; expected an object")
    return value


def _one_of(value: Any, choices: tuple[_Choice, ...], where: str) -> _Choice:
    for choice in choices:
        if value == choice:
            return choice
    raise CheckpointError(f"{where} is {value!r}; expected one of {', '.join(map(str, choices))}")


def _pattern(value: Any, pattern: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise CheckpointError(f"{where} is {value!r}; expected a name without spaces")
    return value


def _pattern_or_none(value: Any, where: str) -> str | None:
    return None if value is None else _pattern(value, _NAME, where)


def _label_list(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise CheckpointError(f"{where}: labels is {value!r}; expected a list of names")
    return tuple(value)


def _some(names: Sequence[str], *, limit: int = 4) -> str:
    return ", ".join(names[:limit]) + (f", ... {len(names) - limit} more" if len(names) > limit else "")
