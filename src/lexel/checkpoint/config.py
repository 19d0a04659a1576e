"""``config.json`` as a frozen config, with the same names of sizes for every family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from lexel.encoder.families import BY_MODEL_TYPE, family_of
from lexel.encoder.family import Family, ModelConfig, Pooling, PositionType
from lexel.encoder.values import Values
from lexel.errors import CheckpointError, LabelError
from lexel.jsonfile import read_object

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_pytorch_tanh",
    "gelu_fast": "gelu_pytorch_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""The activation functions by all their names; names on one line are the same function."""

MOST_LAYERS = 1_000
LARGEST_SIZE = 2**31 - 1

_UNSAID: Mapping[str, Any] = {"activation": "gelu", "embedding_size": 128}
_UNSAID_OF: Mapping[tuple[str, str], Any] = {("albert", "activation"): "gelu_new"}
"""transformers' defaults for required values that old configs leave out."""

_REFUSED = {
    "is_decoder": "reads only leftwards",
    "add_cross_attention": "attends to another model's output",
    "is_encoder_decoder": "has a decoder",
    "pruned_heads": "has layers of different widths",
    "quantization_config": "has weights packed by a quantiser",
}
"""Settings that change the model's computation, with their meaning; they are refused if true."""


def read_config(folder: Path) -> ModelConfig:
    """Read a model folder's ``config.json``.

    Raises:
        CheckpointError: If the file is missing or malformed, or describes a model that Lexel does not support.
        LabelError: If its labels are not numbered 0, 1, 2 ...
    """
    path = folder / "config.json"
    values = read_object(path)
    where = str(path)
    model_type = _model_type(values, where)
    family = family_of(model_type)
    _refuse_other_models(values, where, family)
    asked = Values(values, where)
    found = _required(values, where, family) | _optional(values, where, family)
    activation = _activation(found.pop("activation"), where, key=family.required["activation"])
    of_heads = found.pop("head_activation", None)
    eps = _eps(found.pop("layer_norm_eps"), where)
    sizes = {name: _size(value, where, name=name, family=family) for name, value in found.items()}
    _check_sizes(sizes, where, family)
    offset = family.position_offset(sizes["pad_id"])
    embedding_size = sizes.get("embedding_size", sizes["hidden_size"])
    return ModelConfig(
        model_type=model_type,
        family=family,
        architecture=_architecture(values),
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden_size"],
        embedding_size=embedding_size,
        n_layers=sizes["n_layers"],
        n_heads=sizes["n_heads"],
        intermediate_size=sizes["intermediate_size"],
        n_types=sizes["n_types"],
        activation=activation,
        layer_norm_eps=eps,
        max_positions=sizes["max_positions"] - offset,
        position_offset=offset,
        pad_id=max(sizes["pad_id"], 0),
        n_groups=sizes.get("n_groups", sizes["n_layers"]),
        layers_per_group=sizes.get("layers_per_group", 1),
        labels=_labels(values, where),
        problem_type=_text(values, "problem_type", where),
        score_function=_score_function(values, where),
        tie_word_embeddings=values.get("tie_word_embeddings") is not False,
        fill_size=sizes.get("fill_size", embedding_size),
        head_activation=activation
        if of_heads is None
        else _activation(of_heads, where, key=family.optional["head_activation"]),
        pooling=_pooling(asked, family),
        position_type=values.get("position_embedding_type") or "absolute",
        more=None if family.read_more is None else family.read_more(asked),
    )


def _score_function(values: Mapping[str, Any], where: str) -> str | None:
    """The setting of a sentence-transformers cross-encoder (4.0 and later, then before), or of a pipeline."""
    section = values.get("sentence_transformers")
    if isinstance(section, Mapping) and section.get("activation_fn") is not None:
        return _text(section, "activation_fn", f"{where}: sentence_transformers")
    old = _text(values, "sbert_ce_default_activation_function", where)
    return old or _text(values, "function_to_apply", where)


def _model_type(values: Mapping[str, Any], where: str) -> str:
    named = values.get("model_type")
    if named is None:
        match = re.fullmatch(r"(\w+?)(?:For[A-Za-z]+|Model)", _architecture(values) or "")
        named = next((name for name, classes in _class_prefixes() if match and match[1] == classes), None)
    if named is None:
        raise CheckpointError(
            f"{where}: no model_type, and architectures does not tell it; expected {_known()}. Add it"
        )
    if not isinstance(named, str) or named not in BY_MODEL_TYPE:
        raise CheckpointError(f"{where}: {named!r} is not a supported model_type ({_known()})")
    return named


def _class_prefixes() -> Iterator[tuple[str, str]]:
    """Each ``model_type`` with the prefix of its class names, for configs from before 2020."""
    for family in BY_MODEL_TYPE.values():
        yield from ((name, kind.classes) for name, kind in family.model_types.items())


def _known() -> str:
    return ", ".join(sorted(BY_MODEL_TYPE))


def _architecture(values: Mapping[str, Any]) -> str | None:
    listed = values.get("architectures")
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, str) else None


def _refuse_other_models(values: Mapping[str, Any], where: str, family: Family) -> None:
    kind = values.get("position_embedding_type") or "absolute"
    known = get_args(PositionType) if family.layer.distances is not None else ("absolute",)
    if kind not in known:
        raise CheckpointError(
            f"{where}: position_embedding_type is {kind!r}; expected {', '.join(known)} for a {family.name} model"
        )
    for key, meaning in _REFUSED.items():
        if values.get(key):
            raise CheckpointError(f"{where}: {key} is set, so the model {meaning}; expected a plain encoder")


def _required(values: Mapping[str, Any], where: str, family: Family) -> dict[str, Any]:
    unsaid = {name: _UNSAID_OF.get((family.name, name), _UNSAID[name]) for name in family.required if name in _UNSAID}
    missing = [key for name, key in family.required.items() if values.get(key) is None and name not in unsaid]
    if missing:
        raise CheckpointError(
            f"{where}: no {', '.join(missing)}; a {family.name} model's config needs it. Download it again"
        )
    found = {name: values.get(key) for name, key in family.required.items()}
    return {name: unsaid[name] if value is None else value for name, value in found.items()}


def _optional(values: Mapping[str, Any], where: str, family: Family) -> dict[str, Any]:
    given = {name: values.get(key) for name, key in family.optional.items()}
    return {**family.defaults} | {name: value for name, value in given.items() if value is not None}


def _pooling(values: Values, family: Family) -> Pooling:
    if family.pooling is None:
        return "first"
    return family.poolings[values.choice(family.pooling, tuple(family.poolings), default=family.default_pooling)]


def _activation(name: Any, where: str, *, key: str) -> str:
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise CheckpointError(f"{where}: {key} is {name!r}; expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _size(value: Any, where: str, *, name: str, family: Family) -> Any:
    """An integer of at least 1 (0 for ids and types)."""
    least = {"pad_id": -1, "n_types": 0}.get(name, 1)
    most = MOST_LAYERS if name in ("n_layers", "n_groups", "layers_per_group") else LARGEST_SIZE
    if type(value) is not int or not least <= value <= most:
        key = {**family.required, **family.optional}.get(name, name)
        raise CheckpointError(f"{where}: {key} is {value!r}; expected a whole number from {least} to {most:,}")
    return value


def _eps(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise CheckpointError(f"{where}: layer_norm_eps is {value!r}; expected a small positive number such as 1e-12")
    return float(value)


def _check_sizes(sizes: Mapping[str, int], where: str, family: Family) -> None:
    names = family.required
    hidden, heads = sizes["hidden_size"], sizes["n_heads"]
    if hidden % heads:
        raise CheckpointError(
            f"{where}: {names['hidden_size']} {hidden} is not a multiple of {names['n_heads']} {heads}; "
            "expected heads of equal width"
        )
    if sizes["pad_id"] >= sizes["vocab_size"]:
        raise CheckpointError(
            f"{where}: pad_token_id {sizes['pad_id']} is outside the vocabulary of {sizes['vocab_size']}"
        )
    offset = family.position_offset(sizes["pad_id"])
    if sizes["max_positions"] <= offset:
        raise CheckpointError(
            f"{where}: max_position_embeddings {sizes['max_positions']} leaves no position; "
            f"this family keeps the first {offset} for padding"
        )
    if sizes.get("n_groups", 1) > sizes["n_layers"]:
        raise CheckpointError(
            f"{where}: num_hidden_groups {sizes['n_groups']} is more than num_hidden_layers {sizes['n_layers']}"
        )


def _labels(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """``id2label`` by number; without it, transformers' default names; empty if the config has none."""
    names = values.get("id2label")
    if names is None:
        n = values.get("num_labels")
        return tuple(f"LABEL_{i}" for i in range(n)) if type(n) is int and 0 < n < 100_000 else ()
    if not isinstance(names, dict) or not all(type(name) in (str, int) for name in names.values()):
        raise LabelError(f'{where}: id2label is not an object of names; expected {{"0": "B", "1": "I", ...}}')
    names = {key: str(name) for key, name in names.items()}
    wrong = [key for key in names if not _NUMBER.fullmatch(key)]
    if wrong or sorted(map(int, names)) != list(range(len(names))):
        missing = wrong[:3] or sorted(set(range(len(names))) - set(map(int, names)))[:3]
        raise LabelError(
            f"{where}: id2label has {len(names)} names but is not numbered 0 to {len(names) - 1} (look at "
            f"{', '.join(map(repr, missing))}); expected one name for each output. Pass them in order with labels="
        )
    return tuple(names[str(i)] for i in range(len(names)))


_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


def _text(values: Mapping[str, Any], key: str, where: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise CheckpointError(f"{where}: {key} is {value!r}; expected a string")
    return value
