"""Training methods: they choose the trained weights, or add adapters.

    full          every weight
    head          the heads, on a frozen encoder
    last_layers   the heads and the last N layers
    lora, dora    low-rank updates of weights, by peft (https://arxiv.org/abs/2106.09685, https://arxiv.org/abs/2402.09353)
    ia3           factors on keys, values and the feed-forward part, by peft (https://arxiv.org/abs/2205.05638)
    adapter       bottlenecks in every layer (``lexel.training.model.adapters``)

The heads are always trained. The pooler counts as a part of a text classifier's head, wherever it is stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lexel.checkpoint.config import ACTIVATIONS
from lexel.encoder.families import family_of
from lexel.encoder.family import Family
from lexel.errors import MissingExtra, OptionError
from lexel.training.config.options import TrainingOptions
from lexel.training.model.adapters import insert_adapters
from lexel.training.model.layers import layers_of

PEFT_METHODS = ("lora", "dora", "ia3")

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_TASK_TYPES = {"classify": "SEQ_CLS", "answer": "QUESTION_ANS", "fill": "FEATURE_EXTRACTION"}


def apply_method(encoder: nn.Module, options: TrainingOptions) -> nn.ModuleList | None:
    """Freeze parameters of an encoder, and add the adapters of the method.

    Args:
        encoder: A model of transformers without a head, such as ``BertModel``.
        options: The options of the run.

    Returns:
        Bottleneck adapters, which the caller owns and trains; ``None`` for other methods.

    Raises:
        OptionError: If the method does not fit the encoder.
        MissingExtra: If peft is needed and not installed.
    """
    if options.method == "full":
        return None
    _freeze(encoder)
    if options.method == "last_layers":
        _thaw_last(encoder, options.last_layers or 0)
    elif options.method in PEFT_METHODS:
        _inject(encoder, options)
    elif options.method == "adapter":
        return insert_adapters(encoder, **adapter_entry(encoder.config, options))
    return None


def adapter_entry(config: Any, options: TrainingOptions) -> dict[str, Any]:
    """The entry ``adapter`` of ``lexel.json``: width, and the encoder's activation."""
    activation = getattr(config, family_of(config.model_type).required["activation"])
    return {"size": options.adapter_size, "activation": ACTIVATIONS[activation]}


def _freeze(encoder: nn.Module) -> None:
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_("pooler" in name)


def _thaw_last(encoder: nn.Module, n_layers: int) -> None:
    layers = layers_of(encoder)
    if _family(encoder).shares_layers:
        raise OptionError("method: last_layers of a model whose layers share weights; use head, lora or adapter")
    if n_layers > len(layers):
        raise OptionError(f"last_layers: {n_layers} of an encoder with {len(layers)}; expected at most {len(layers)}")
    for layer in layers[-n_layers:]:
        layer.requires_grad_(True)


# peft ----------------------------------------------------------------------------------------------------------------


def _inject(encoder: nn.Module, options: TrainingOptions) -> None:
    try:
        from peft import inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra(f'method {options.method} needs peft: pip install "lexel[train]"') from error
    try:
        inject_adapter_in_model(peft_config(encoder, options), encoder)
    except ValueError as error:
        raise OptionError(
            f"target_modules: {', '.join(options.target_modules or ())} fit no linear module of the encoder; expected "
            f"endings such as {_ending(_family(encoder).layer.query)}"
        ) from error


def peft_config(encoder: nn.Module, options: TrainingOptions) -> Any:
    """peft's settings for a method: query and value for lora and dora; key, value and the outer map for ia3."""
    import peft

    names = _family(encoder).layer
    chosen = options.target_modules
    if options.method == "ia3":
        outer = _pattern(encoder, names.outer)
        targets = list(chosen) if chosen else _pattern(encoder, names.key, names.value, names.outer)
        inner = [name for name in chosen if f".{names.outer}".endswith(f".{name}")] if chosen else outer
        return peft.IA3Config(target_modules=targets, feedforward_modules=inner)
    return peft.LoraConfig(
        r=options.lora_r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        use_dora=options.method == "dora",
        target_modules=list(chosen) if chosen else _pattern(encoder, names.query, names.value),
    )


def _pattern(encoder: nn.Module, *parts: str) -> str:
    """A pattern for these parts in every layer, also if the encoder is inside a model with a head."""
    layers = _family(encoder).layers.split(".")[-2]
    return rf"(.*\.)?{layers}\.\d+\.({'|'.join(map(re.escape, parts))})"


def _family(encoder: nn.Module) -> Family:
    return family_of(encoder.config.model_type)


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


def merge_method(encoder: nn.Module, options: TrainingOptions) -> None:
    """Merge low-rank updates and factors into the weights that they change, in place; other methods have none."""
    if options.method not in PEFT_METHODS:
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(encoder.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            setattr(encoder.get_submodule(parent), last, module.get_base_layer())


def plain_names(encoder: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """An encoder's own tensors, with their names without peft."""
    for name, tensor in encoder.state_dict().items():
        if not _is_update(name):
            yield name.replace(".base_layer.", "."), tensor


def _is_update(name: str) -> bool:
    return ".lora_" in name or ".ia3_" in name


def save_unmerged(
    folder: Path,
    encoder: nn.Module,
    options: TrainingOptions,
    *,
    base: tuple[str, str | None],
    prefix: str,
    heads: Mapping[str, torch.Tensor],
    task: str | None,
) -> None:
    """Write the update and the heads in a form that peft and Lexel load onto the base model.

    Args:
        folder: The folder for ``adapter_config.json`` and ``adapter_model.safetensors``.
        encoder: The encoder with peft's layers.
        options: The options of the run.
        base: Folder or hub id of the base model, and its commit.
        prefix: The encoder's name in the model with its head (``bert``), empty without such a model.
        heads: The heads' tensors, with their names next to the encoder.
        task: Task of the only head; ``None`` for several.
    """
    from safetensors.torch import save_file

    start = "base_model.model." + (f"{prefix}." if prefix else "")
    tensors = {start + _without_adapter_name(n): t for n, t in encoder.state_dict().items() if _is_update(n)}
    tensors |= {f"base_model.model.{name}": tensor for name, tensor in heads.items()}
    save_file(
        {name: tensor.detach().float().contiguous().cpu() for name, tensor in tensors.items()}, folder / ADAPTER_WEIGHTS
    )
    config = peft_config(encoder, options)
    config.inference_mode = True
    config.base_model_name_or_path, config.revision = base
    config.task_type = "FEATURE_EXTRACTION" if task is None else _TASK_TYPES.get(task, "TOKEN_CLS")
    config.modules_to_save = sorted({name.partition(".")[0] for name in heads}) if task is not None else None
    (folder / ADAPTER_CONFIG).write_text(_as_json(config.to_dict()), encoding="utf-8")


def _without_adapter_name(name: str) -> str:
    return name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(".default", "")


def _as_json(values: Mapping[str, Any]) -> str:
    plain: Callable[[Any], Any] = lambda value: sorted(value) if isinstance(value, set) else str(value)  # noqa: E731
    return json.dumps(values, indent=2, sort_keys=True, default=plain, ensure_ascii=False) + "\n"
