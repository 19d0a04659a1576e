"""Reads a sentence-transformers folder: how ``modules.json`` and its files turn a text into a vector.

    modules.json                     the modules in order: Transformer, Pooling, then Dense, LayerNorm, Normalize
    1_Pooling/config.json            how pieces become one vector
    2_Dense/config.json, weights     a linear map and an activation
    sentence_bert_config.json        the longest input, and whether texts are lower-cased
    config_sentence_transformers.json  prompts

It supports the folders that the library (https://sbert.net, version 6.2) writes and reads, including older forms. Code
that a folder names is never run: a module of another kind is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from lexel.checkpoint.weights import Weights, open_weights
from lexel.errors import CheckpointError
from lexel.jsonfile import read_array, read_object

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
_LIMITS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
)
MOST_MODULES = 64
_LAYER_NORM_EPS = 1e-5  # torch's default, which the library does not change

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last"]

_MODES: Mapping[str, PoolingMode] = {
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "lasttoken": "last",
}
"""Lexel's names of ways to pool by theirs, in the order in which they are concatenated."""
_OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS = {"Tanh": "tanh", "Identity": "identity", "ReLU": "relu", "Sigmoid": "sigmoid", "SiLU": "silu"}

Activation = Literal["tanh", "identity", "relu", "sigmoid", "silu"]


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear map of a vector with an activation: ``weight [outputs, inputs]``, ``bias [outputs]`` or none.

    Attributes:
        residual: Added to the result: nothing, the vector itself (``"same"``), or a map ``[outputs, inputs]``.
    """

    weight: NDArray[Any]
    bias: NDArray[Any] | None
    activation: Activation
    residual: NDArray[Any] | Literal["same"] | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Layer normalisation of a vector with ``weight`` and ``bias``, both ``[dims]``."""

    weight: NDArray[Any]
    bias: NDArray[Any]
    eps: float = _LAYER_NORM_EPS


Step = Dense | Scale | Literal["normalise"]
"""The steps after pooling."""


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """The settings in the folder's files.

    Attributes:
        pooling: Ways to pool; the vectors of several are concatenated.
        include_prompt: Whether the prompt's pieces are pooled too.
        steps: The steps after pooling, in order.
        prompts: Prompts by name.
        default_prompt: The name of the default prompt.
        max_length: Longest sequence to read at once, special pieces included.
        lower_case: Whether texts are lower-cased, whatever the tokenizer does.
    """

    pooling: tuple[PoolingMode, ...]
    include_prompt: bool = True
    steps: tuple[Step, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    max_length: int | None = None
    lower_case: bool = False


def is_sentence_folder(folder: Path) -> bool:
    """Whether a folder has sentence-transformers files that define vectors."""
    return (folder / MODULES).exists()


def transformer_folder(folder: Path) -> Path:
    """The folder of the encoder: the folder itself, or a subfolder that ``modules.json`` names (older models)."""
    if (folder / "config.json").is_file() or not is_sentence_folder(folder):
        return folder
    first = next(iter(_read_modules(folder / MODULES)), None)
    return folder if first is None else folder / first.path


def read_sentence_modules(folder: Path, *, hidden_size: int) -> SentenceModules | None:
    """Read how a folder turns a text into a vector; ``None`` if it is not a sentence-transformers folder.

    Raises:
        CheckpointError: If Lexel does not support a module, or a file is invalid.
        WeightError: If a module's weights are missing or have another shape.
    """
    if not is_sentence_folder(folder):
        return None
    modules = _read_modules(folder / MODULES)
    kinds = [module.kind for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise CheckpointError(
            f"{folder / MODULES}: modules {', '.join(kinds) or '(none)'}; expected Transformer, Pooling, then others"
        )
    modes, include_prompt = _read_pooling(folder / modules[1].path)
    place = folder / modules[0].path
    limits = next((read_object(place / name) for name in _LIMITS if (place / name).exists()), {})
    prompts, default = _read_prompts(folder / PROMPTS)
    max_length = limits.get("max_seq_length")
    return SentenceModules(
        modes,
        include_prompt=include_prompt,
        steps=tuple(_read_steps(folder, modules[2:], size=hidden_size * len(modes))),
        prompts=prompts,
        default_prompt=default,
        max_length=max_length if type(max_length) is int and max_length > 0 else None,
        lower_case=bool(limits.get("do_lower_case", False)),
    )


@dataclass(frozen=True, slots=True)
class _Module:
    kind: str
    path: str


def _read_modules(path: Path) -> list[_Module]:
    """The modules in order; a path must be a plain folder name, so that nothing outside the folder is opened."""
    entries = read_array(path)
    if len(entries) > MOST_MODULES:
        raise CheckpointError(f"{path}: {len(entries):,} modules; expected at most {MOST_MODULES}")
    modules = []
    for number, entry in enumerate(entries):
        kind, where = (entry.get(key, "") if isinstance(entry, dict) else None for key in ("type", "path"))
        if not isinstance(kind, str) or not isinstance(where, str):
            raise CheckpointError(f"{path}: module {number} is {entry!r:.60}; expected an object with type and path")
        kind = kind.rpartition(".")[2]
        if len(PurePosixPath(where).parts) > 1 or where == ".." or any(sign in where for sign in "/\\:\0"):
            raise CheckpointError(f"{path}: module {number} lies in {where!r}; expected a folder beside it")
        modules.append(_Module(kind, where))
    return modules


def _read_pooling(folder: Path) -> tuple[tuple[PoolingMode, ...], bool]:
    path = folder / "config.json"
    values = read_object(path)
    asked = values.get("pooling_mode")
    if asked is None:
        asked = [name for key, name in _OLD_KEYS.items() if values.get(key)] or ["mean"]
    names = [asked] if isinstance(asked, str) else asked
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) and name in _MODES for name in names)
        or len(set(names)) < len(names)
    ):
        raise CheckpointError(f"{path}: pooling_mode is {asked!r}; expected some of {', '.join(_MODES)}, each once")
    return tuple(_MODES[name] for name in names), bool(values.get("include_prompt", True))


def _read_prompts(path: Path) -> tuple[Mapping[str, str], str | None]:
    values = read_object(path) if path.exists() else {}
    prompts, default = values.get("prompts") or {}, values.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise CheckpointError(f"{path}: prompts is {prompts!r}; expected texts by name")
    if default is not None and (not isinstance(default, str) or default not in prompts):
        raise CheckpointError(
            f"{path}: default_prompt_name is {default!r}; expected one of {', '.join(prompts) or '(no prompts)'}"
        )
    return {name: text for name, text in prompts.items() if text}, default if prompts.get(default) else None


# What is done to the pooled vector -----------------------------------------------------------------------------------


def _read_steps(folder: Path, modules: Iterable[_Module], *, size: int) -> Iterable[Step]:
    for module in modules:
        place = folder / module.path
        if module.kind == "Normalize":
            _check_names(place)
            yield "normalise"
        elif module.kind == "Dense":
            dense = _read_dense(place, size)
            size = len(dense.weight)
            yield dense
        elif module.kind == "LayerNorm":
            weight, bias = open_weights(place).layer_norm("norm", size)
            yield Scale(weight, bias)
        elif module.kind != "Dropout":  # which has no effect outside training
            known = "Transformer, Pooling, Dense, LayerNorm, Normalize, Dropout"
            raise CheckpointError(f"{folder / MODULES}: a module of kind {module.kind!r}; expected {known}")


def _check_names(place: Path) -> dict[str, Any]:
    """A module's config, which must apply to the pooled vector."""
    path = place / "config.json"
    values = read_object(path) if path.exists() else {}
    for key in ("module_input_name", "module_output_name"):
        if values.get(key) not in (None, "sentence_embedding"):
            raise CheckpointError(f"{path}: {key} is {values[key]!r}; expected 'sentence_embedding'")
    return values


def _read_dense(place: Path, size: int) -> Dense:
    path = place / "config.json"
    values = _check_names(place)
    inputs, outputs = values.get("in_features"), values.get("out_features")
    if type(inputs) is not int or inputs != size or type(outputs) is not int or outputs < 1:
        raise CheckpointError(f"{path}: maps {inputs} numbers to {outputs}; expected {size} to any number")
    name = str(values.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise CheckpointError(f"{path}: activation_function {name!r}; expected one of {', '.join(_ACTIVATIONS)}")
    weights = open_weights(place)
    weight = weights.tensor("linear.weight", (outputs, size))
    bias = weights.tensor("linear.bias", (outputs,)) if values.get("bias", True) else None
    activation = next(known for known in get_args(Activation) if known == _ACTIVATIONS[name])
    return Dense(weight, bias, activation, _read_residual(weights, values, weight.shape))


def _read_residual(
    weights: Weights, values: Mapping[str, Any], shape: tuple[int, ...]
) -> NDArray[Any] | Literal["same"] | None:
    if not values.get("use_residual", False):
        return None
    return "same" if shape[0] == shape[1] else weights.tensor("residual.weight", shape)
