"""Chooses how texts become vectors: as asked, else as the folder's files say, else the mean of the last layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, get_args

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.sentence_transformers import Dense, PoolingMode, SentenceModules, Step
from lexel.engines.heads import read_dense
from lexel.errors import CheckpointError, OptionError
from lexel.tasks.loading import heads_of
from lexel.tasks.pooling import Pooling

MODES: tuple[PoolingMode, ...] = get_args(PoolingMode)
_LAST_LAYERS = re.compile(r"last-([1-9]\d*)")
_NAME = re.compile(r"[\w.-]+")


class EmbedKeywords(TypedDict, total=False):
    """The fields of ``EmbedOptions`` as keywords of ``load`` and of calls."""

    pooling: str | None
    layer: int
    normalise: bool | None
    dimensions: int | None
    prompt: str | None
    max_chars: int | None


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """How texts become vectors: defaults of an embedder, or the options of one call; ``None`` follows the folder.

    A call can change ``pooling`` and ``layer`` if the layers that they need were loaded.

    Attributes:
        pooling: ``mean``, ``cls``, ``max``, ``last-4`` (the mean of the last four layers, then of the pieces),
            ``learned`` (by a trained head), or another way from sentence-transformers: ``mean_sqrt_len``,
            ``weighted_mean``, ``last``.
        layer: The hidden layer: -1 is the last, 0 the embeddings.
        normalise: Whether vectors are scaled to length 1.
        dimensions: Keep only this many numbers from the start.
        prompt: Put before each text: the name of one of the folder's prompts, or the words themselves; an empty string
            means no prompt.
        max_chars: Refuse longer texts; ``None`` for no limit.
    """

    pooling: str | None = None
    layer: int = -1
    normalise: bool | None = None
    dimensions: int | None = None
    prompt: str | None = None
    max_chars: int | None = None


@dataclass(frozen=True, slots=True)
class PoolingPlan:
    """All decisions about how to compute vectors.

    Attributes:
        ways: Ways to pool; the vectors of several are concatenated.
        layers: The outputs ``hidden.N`` whose mean is pooled.
        attention: The head that weights pieces, for the way ``attention``.
        steps: The steps applied to the pooled vector.
        size: Width of the vectors.
        is_normalised: Whether they have length 1.
        prompt: Text that goes before each input.
        prompts: The folder's prompts by name.
        include_prompt: Whether the prompt's pieces are pooled too.
        max_length: Longest sequence to read at once, if the folder limits it.
        lower_case: Whether texts are lower-cased first.
        said: The plan in words.
    """

    ways: tuple[Pooling, ...]
    layers: tuple[str, ...]
    attention: str | None
    steps: tuple[Step, ...]
    size: int
    is_normalised: bool
    prompt: str
    prompts: Mapping[str, str]
    include_prompt: bool
    max_length: int | None
    lower_case: bool
    said: str

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs to request from an engine."""
        return self.layers if self.attention is None else (*self.layers, self.attention)


def plan_pooling(checkpoint: Checkpoint, modules: SentenceModules | None, options: EmbedOptions) -> PoolingPlan:
    """Decide how texts become vectors.

    Args:
        checkpoint: The model.
        modules: The contents of its sentence-transformers files, if it has them.
        options: The caller's options.

    Raises:
        CheckpointError: If the model lacks weights that the options need.
        OptionError: If an option has a value that it cannot have.
    """
    chosen = _choose(checkpoint, modules, options.pooling)
    layers = _layers(checkpoint, options.layer, chosen)
    steps, is_normalised = _settle_length(chosen.steps, options.normalise)
    full = _size(checkpoint.config.hidden_size * len(chosen.ways), steps)
    size = full if options.dimensions is None else options.dimensions
    if not 1 <= size <= full:
        raise OptionError(f"dimensions is {size}; expected 1 to {full}, the width of this model's vectors")
    modules = modules or SentenceModules(("mean",))
    return PoolingPlan(
        ways=chosen.ways,
        layers=layers,
        attention=chosen.attention,
        steps=steps,
        size=size,
        is_normalised=is_normalised,
        prompt=choose_prompt(modules.prompts, options.prompt, default=modules.default_prompt),
        prompts=modules.prompts,
        include_prompt=modules.include_prompt,
        max_length=modules.max_length,
        lower_case=modules.lower_case,
        said=_say(chosen, layers, size=size, is_normalised=is_normalised),
    )


def choose_prompt(prompts: Mapping[str, str], asked: str | None, *, default: str | None = None) -> str:
    """The text that goes before each input; an unknown name is an error, not a prompt.

    Args:
        prompts: The folder's prompts by name.
        asked: A name, words, ``""`` for none, or ``None`` for the default.
        default: The name of the default.

    Raises:
        OptionError: If there is no prompt of that name.
    """
    if asked is None:
        return prompts.get(default or "", "")
    if asked in prompts or not _NAME.fullmatch(asked):
        return prompts.get(asked, asked)
    raise OptionError(
        f"prompt is {asked!r}; expected a name that the model has ({', '.join(prompts) or 'it has none'}), or words "
        "that end in a space or a colon"
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Ways to pool, and the source of this choice."""

    ways: tuple[Pooling, ...]
    source: str
    steps: tuple[Step, ...] = ()
    attention: str | None = None
    n_layers: int = 1


def _choose(checkpoint: Checkpoint, modules: SentenceModules | None, asked: str | None) -> _Choice:
    head = next((head for head in checkpoint.heads.values() if head.task == "embed"), None)
    if asked == "learned" or (asked is None and head is not None):
        return _learned(checkpoint, head)
    if asked is None:
        if modules is None:
            return _Choice(("mean",), "the model's files do not define it; mean is the usual choice")
        return _Choice(modules.pooling, "as the model's files say", modules.steps)
    length: tuple[Step, ...] = ("normalise",) if modules and modules.steps[-1:] == ("normalise",) else ()
    if last := _LAST_LAYERS.fullmatch(asked):
        return _Choice(("mean",), "as asked", length, n_layers=int(last[1]))
    for mode in MODES:
        if asked == mode:
            return _Choice((mode,), "as asked", length)
    raise OptionError(f"pooling is {asked!r}; expected one of {', '.join(MODES)}, last-N (layers), learned")


def _learned(checkpoint: Checkpoint, head: Head | None) -> _Choice:
    folder = checkpoint.source.folder
    if head is None:
        raise CheckpointError(
            f"{folder}: no head for learned pooling; {heads_of(checkpoint)}. Take pooling mean or cls, or train one"
        )
    weights = checkpoint.open_weights()
    dense = read_dense(head, weights, hidden_size=checkpoint.config.hidden_size)
    weighs = weights.has(f"{head.prefix}.attention.weight")
    if not weighs and dense is None:
        raise CheckpointError(
            f"{folder}: head {head.name} has neither {head.prefix}.attention nor {head.prefix}.dense among the weights"
        )
    steps: tuple[Step, ...] = () if dense is None else (Dense(*dense, activation="tanh"),)
    way: Pooling = "attention" if weighs else "mean"
    return _Choice((way,), f"head {head.name}", steps, attention=head.name if weighs else None)


def _layers(checkpoint: Checkpoint, layer: int, chosen: _Choice) -> tuple[str, ...]:
    n = checkpoint.config.n_layers
    if not -n - 1 <= layer <= n:
        raise OptionError(f"layer is {layer}; expected {-n - 1} to {n}: 0 is the embeddings, -1 or {n} the last layer")
    last = layer if layer >= 0 else n + 1 + layer
    if chosen.attention is not None and last != n:
        raise OptionError(f"layer is {layer}; head {chosen.attention} was trained on the last one, -1")
    if chosen.n_layers > last + 1:
        raise OptionError(f"pooling is last-{chosen.n_layers}; expected at most last-{last + 1}, with layer {last}")
    return tuple(f"hidden.{i}" for i in range(last + 1 - chosen.n_layers, last + 1))


def _settle_length(steps: tuple[Step, ...], asked: bool | None) -> tuple[tuple[Step, ...], bool]:
    """The steps with or without a final normalisation."""
    is_last = steps[-1:] == ("normalise",)
    if asked is None or asked == is_last:
        return steps, is_last
    return ((*steps, "normalise"), True) if asked else (steps[:-1], False)


def _size(size: int, steps: tuple[Step, ...]) -> int:
    for step in steps:
        size = len(step.weight) if isinstance(step, Dense) else size
    return size


def _say(chosen: _Choice, layers: tuple[str, ...], *, size: int, is_normalised: bool) -> str:
    ways = " and ".join(chosen.ways)
    of = layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
    return f"{ways} of {of} ({chosen.source}); {size} dimensions, {'length 1' if is_normalised else 'not normalised'}"
