"""An encoder of transformers with any number of heads, and the names of their tensors in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

from lexel.encoder.families import family_of
from lexel.encoder.family import Family, FillNames, HeadNames, Pooling
from lexel.errors import OptionError
from lexel.training.data.heads import TrainedHead
from lexel.training.data.rows import HIDDEN, Batch, crf_key, teacher_key
from lexel.training.model.attention import NAME as ATTENTION
from lexel.training.model.attention import packed_mask
from lexel.training.model.crf import Crf
from lexel.training.model.nezha import NezhaConfig as NezhaConfig  # registers it with transformers' automatic classes
from lexel.training.model.pointer import PointerHead
from lexel.training.model.vectors import EmbedHead, SentenceHead, VectorHead

Names = dict[str, str]
"""A tensor's name in a module, and its name in a folder."""

_DROPOUTS = ("classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout", "hidden_dropout_prob", "dropout")


CRF_TENSORS = ("transitions", "start_transitions", "end_transitions")


class MultiHead(nn.Module):  # type: ignore[misc]
    """An encoder and its heads.

    Attributes:
        encoder: One of transformers' classes, without its pooler.
        heads: The heads by ``h_<name>`` (a module's name must not be the name of a dictionary's method).
        adapters: Bottlenecks that the encoder runs, by layer, if it has any.
        maps: Maps to a teacher's width, one for each compared layer, if there is a teacher.
    """

    def __init__(
        self, encoder: PreTrainedModel, heads: Mapping[str, nn.Module], adapters: nn.ModuleList | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({f"h_{name}": head for name, head in heads.items()})
        self.adapters = adapters
        self.maps: nn.ModuleList | None = None
        self._compared: tuple[int, ...] = ()
        config = encoder.config
        family = family_of(config.model_type)
        self._family = family
        self._offset = family.position_offset(config.pad_token_id or 0)
        self._has_types = family.embeddings.types is not None and config.type_vocab_size > 0

    def head(self, name: str) -> nn.Module:
        """A head by its name."""
        return self.heads[f"h_{name}"]

    def compare(self, layers: tuple[int, ...], maps: nn.ModuleList) -> None:
        """Also return hidden states of some layers, each through its map to a teacher's width."""
        self._compared, self.maps = layers, maps

    def encode(self, batch: Batch) -> torch.Tensor:
        """Hidden states of all slots, ``[rows * length, hidden]``."""
        states: torch.Tensor = self._run(batch).last_hidden_state
        return states.view(-1, states.shape[-1])

    def layers(self, batch: Batch) -> list[torch.Tensor]:
        """Hidden states of the embeddings and of all layers, ``[rows * length, hidden]`` each."""
        found = self._run(batch, output_hidden_states=True).hidden_states
        return [states.view(-1, states.shape[-1]) for states in found]

    def _run(self, batch: Batch, **asked: bool) -> Any:
        inputs = {"token_type_ids": batch.types} if self._has_types else {}
        return self.encoder(
            input_ids=batch.ids,
            attention_mask=self._masks(batch),
            position_ids=batch.positions + self._offset,
            **inputs,
            **asked,
        )

    def _masks(self, batch: Batch) -> torch.Tensor | dict[str, torch.Tensor]:
        """The mask for all layers, or the masks that the encoder takes by name."""
        dtype = next(self.encoder.parameters()).dtype
        if self._family.mask_maker is not None:
            module, _, method = self._family.mask_maker.rpartition(".")
            seen = packed_mask(batch.sequences, dtype) == 0
            setattr(self.encoder.get_submodule(module), method, lambda _: seen)
            return torch.ones_like(batch.ids)
        key = self._family.window
        window = None if key is None else getattr(self.encoder.config, key)
        if not self._family.masks:
            return packed_mask(batch.sequences, dtype)
        return {
            name: packed_mask(batch.sequences, dtype, positions=batch.positions, window=window if is_local else None)
            for name, is_local in self._family.masks.items()
        }

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The scores of each head that the batch has targets for, at the slots of the targets.

        If a batch has a teacher's outputs, the result also has the student's hidden states in the teacher's width,
        under ``HIDDEN``, and its vectors in the size of the teacher's, under ``teacher_key(head)``.
        """
        layers = self.layers(batch) if self.maps is not None and batch.hidden is not None else [self.encode(batch)]
        states = layers[-1]
        scores = {}
        if self.maps is not None and batch.hidden is not None:
            used = batch.sequences.view(-1) > 0
            own = (layers[layer][used] for layer in self._compared)
            scores[HIDDEN] = torch.stack([to(one) for to, one in zip(self.maps, own, strict=True)])
        for name, target in batch.targets.items():
            picked = self.picked(name, states, batch, target.slots)
            head = self.head(name)
            if isinstance(head, VectorHead) and target.soft is not None and self.maps is not None:
                scores[teacher_key(name)] = head.in_teacher_space(picked, target.pools, to=self.maps[-1])
            scores[name] = self.score(name, picked, pools=target.pools)
            crf = getattr(head, "crf", None)
            if crf is not None and target.edges is not None:
                sequences = unique_sequences(batch.sequences)
                scores[crf_key(name)] = crf(scores[name], target.labels, sequences=sequences, edges=target.edges)
        return scores

    def picked(self, name: str, states: torch.Tensor, batch: Batch, slots: torch.Tensor | None) -> torch.Tensor:
        """The inputs of a head: the states of all slots or of some, or the means of their sequences."""
        head = self.head(name)
        if isinstance(head, OutputHead) and head.pooling != "first":
            states = _means_of_sequences(head.pooled_part(states), batch.sequences)
        return states if slots is None else states[slots]

    def score(self, name: str, states: torch.Tensor, *, pools: torch.Tensor | None = None) -> torch.Tensor:
        """A head's scores from hidden states ``[picks, hidden]``; ``pools`` gives the vector that each belongs to."""
        head = self.head(name)
        more = (self.embeddings,) if isinstance(head, FillHead) else () if pools is None else (pools,)
        scores: torch.Tensor = head(states, *more)
        return scores

    def vectors(self, name: str, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
        """A head's vectors from hidden states ``[picks, hidden]``, ``[sequences, size]``."""
        head = self.head(name)
        assert isinstance(head, VectorHead)
        return head.vectors(states, pools)

    @property
    def embeddings(self) -> torch.Tensor:
        """The encoder's embedding table, ``[vocab, embedding]``."""
        table: torch.Tensor = self.encoder.get_input_embeddings().weight
        return table


def unique_sequences(sequences: torch.Tensor) -> torch.Tensor:
    """Numbers of sequences that are unique across rows, ``[rows * length]``, from ``[rows, length]``."""
    rows = torch.arange(len(sequences), device=sequences.device)[:, None]
    return (sequences + rows * (int(sequences.max()) + 1)).view(-1)


def _means_of_sequences(states: torch.Tensor, sequences: torch.Tensor) -> torch.Tensor:
    """The mean of its sequence at each slot, ``[slots, hidden]``."""
    n = int(sequences.max()) + 1
    number = (sequences + n * torch.arange(len(sequences), device=sequences.device)[:, None]).view(-1)
    counts = number.bincount(minlength=n * len(sequences)).clamp(min=1)
    sums = states.new_zeros(len(counts), states.shape[1]).index_add(0, number, states)
    return (sums / counts[:, None].to(states.dtype))[number]


class OutputHead(nn.Module):  # type: ignore[misc]
    """A linear map to labels, or to starts and ends of answers; some heads have another map before it.

    Args:
        hidden_size: Width of the states.
        n_outputs: Number of outputs.
        dropout: Dropout before the last map.
        before: The map before it, with its activation and norm, if there is one.
        pooling: Its inputs: the slots of the targets, the means of their sequences, or all slots, with their scores
            averaged.
        crf: Transition scores that are trained with its tags, if any.
    """

    def __init__(
        self,
        hidden_size: int,
        n_outputs: int,
        *,
        dropout: float,
        before: Transform | None = None,
        pooling: Pooling = "first",
        crf: Crf | None = None,
    ) -> None:
        super().__init__()
        self.crf = crf
        self.before = before
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, n_outputs)
        self.pooling = pooling

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Scores ``[slots, outputs]`` from the inputs of ``MultiHead.picked``."""
        if self.before is not None and self.pooling != "scores":
            states = self.before(states)
        scores: torch.Tensor = self.output(self.dropout(states))
        return scores

    def pooled_part(self, states: torch.Tensor) -> torch.Tensor:
        """The values to average over a sequence: the states, or the last map's inputs, since that map is linear."""
        if self.before is None or self.pooling != "scores":
            return states
        mapped: torch.Tensor = self.before(states)
        return mapped


class Transform(nn.Module):  # type: ignore[misc]
    """A linear map, an activation and, in some families, a norm."""

    def __init__(
        self, sizes: tuple[int, int], *, activation: str, has_bias: bool = True, norm: nn.LayerNorm | None = None
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(*sizes, bias=has_bias)
        self.activation = ACT2FN[activation]
        self.norm = norm

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map ``[slots, sizes[0]]`` to ``[slots, sizes[1]]``."""
        mapped: torch.Tensor = self.activation(self.dense(states))
        return mapped if self.norm is None else self.norm(mapped)


class FillHead(nn.Module):  # type: ignore[misc]
    """A transformation, then the encoder's own embedding table as the map to the vocabulary."""

    def __init__(self, before: Transform, vocab_size: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.before = before
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if has_bias else None

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """Scores ``[picks, vocab]``."""
        return nn.functional.linear(self.before(states), embeddings, self.bias)


def build_encoder(folder: str | None, config: PretrainedConfig, *, seed: int) -> PreTrainedModel:
    """The encoder in float32, from a folder's weights or, without one, from random ones."""
    torch.manual_seed(seed)
    has_pooler = family_of(config.model_type).has_pooler
    options: dict[str, Any] = {"add_pooling_layer": False} if has_pooler else {}
    if folder is None:
        encoder = AutoModel.from_config(config, attn_implementation=ATTENTION, dtype=torch.float32)
    else:
        encoder = AutoModel.from_pretrained(
            folder, config=config, attn_implementation=ATTENTION, dtype=torch.float32, **options
        )
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    return encoder


def build_head(head: TrainedHead, config: PretrainedConfig, *, is_plain: bool) -> nn.Module:
    """A new head, with weights initialised like the encoder's."""
    hidden = config.hidden_size
    family = family_of(config.model_type)
    if head.task == "fill":
        module: nn.Module = _build_fill(config, family, is_plain=is_plain)
    elif head.pointer is not None:
        module = PointerHead(hidden, len(head.labels), form=head.pointer, dropout=_dropout(config))
    elif head.modules is not None:
        module = SentenceHead(hidden, len(head.labels), modules=head.modules)
    elif head.task == "embed":
        asked = head.options
        module = EmbedHead(hidden, len(head.labels), pooling=asked.pooling, dimensions=asked.dimensions)
    else:
        names = _output_names(head.task, family, prefix=None if is_plain else f"heads.{head.name}")
        module = OutputHead(
            hidden,
            2 if head.task == "answer" else len(head.labels),
            dropout=_dropout(config),
            before=None if names.dense is None else _transform(names, config, family, (hidden, hidden)),
            pooling=_pooling(config, family) if head.task == "classify" and is_plain else "first",
            crf=Crf(head.label_set) if head.options.crf and head.label_set is not None else None,
        )
    _draw(module, getattr(config, "initializer_range", 0.02))
    return module


def _dropout(config: PretrainedConfig) -> float:
    return next((p for name in _DROPOUTS if (p := getattr(config, name, None)) is not None), 0.1)


def _build_fill(config: PretrainedConfig, family: Family, *, is_plain: bool) -> FillHead:
    names = family.fill if is_plain else FillNames("", "", "norm", "", "")
    keys = {**family.optional, **family.required}
    embedding = getattr(config, keys.get("embedding_size", keys["hidden_size"]))
    _refuse_own_decoder(config, family, embedding)
    before = _transform(names, config, family, (config.hidden_size, embedding))
    return FillHead(before, config.vocab_size, has_bias=_flag(config, names.decoder_bias))


def _transform(
    names: HeadNames | FillNames, config: PretrainedConfig, family: Family, sizes: tuple[int, int]
) -> Transform:
    eps = getattr(config, family.optional.get("layer_norm_eps", ""), 1e-12)
    key = family.required["activation"]
    if isinstance(names, HeadNames) or names.is_like_heads:
        key = family.optional.get("head_activation", key)
    norm = None if names.norm is None else nn.LayerNorm(sizes[1], eps=eps, bias=_flag(config, names.norm_bias))
    activation = names.activation or getattr(config, key)
    return Transform(sizes, activation=activation, has_bias=_flag(config, names.dense_bias), norm=norm)


def _flag(config: PretrainedConfig, key: str | None) -> bool:
    return key is None or bool(getattr(config, key))


def _pooling(config: PretrainedConfig, family: Family) -> Pooling:
    return "first" if family.pooling is None else family.poolings[getattr(config, family.pooling)]


def _refuse_own_decoder(config: PretrainedConfig, family: Family, embedding_size: int) -> None:
    """Refuse a masked-language model whose decoder cannot be tied to the embeddings, as training does."""
    if family.fill.dense is None:
        raise OptionError(
            f"heads: fill of a {family.name} model, whose head is a decoder of its own; training ties it to the "
            "embeddings. Train another task, or another family"
        )
    key = family.required.get("fill_size")
    if key is not None and getattr(config, key) != embedding_size:
        raise OptionError(
            f"heads: fill of a {family.name} model, whose decoder takes {getattr(config, key)} numbers ({key}) and the "
            f"embeddings {embedding_size}; training ties them. Train another task, or another family"
        )


def _draw(module: nn.Module, scale: float) -> None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=scale)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def head_names(head: TrainedHead | Any, *, family: Family, prefix: str) -> Names:
    """The names of a head's tensors in a folder, by the module's names; for an embed head, all possible ones."""
    is_plain = not prefix.startswith("heads.")
    if head.task == "fill":
        own = FillNames(prefix, f"{prefix}.dense", f"{prefix}.layer_norm", "", f"{prefix}.bias")
        fill = family.fill if is_plain else own
        return _linear("before.dense", fill.dense) | _linear("before.norm", fill.norm) | {"bias": fill.bias}
    if head.pointer is not None:
        if head.pointer.kind == "global-pointer":
            return _linear("dense", prefix)
        return _linear("p_dense", f"{prefix}.p_dense") | _linear("q_dense", f"{prefix}.q_dense")
    if head.task == "embed":
        return _linear("attention", f"{prefix}.attention") | _linear("dense", f"{prefix}.dense")
    names = _output_names(head.task, family, prefix=None if is_plain else prefix)
    if getattr(head, "crf", False) or getattr(head.options if isinstance(head, TrainedHead) else head, "crf", False):
        return _linear("output", prefix) | {f"crf.{name}": f"{prefix}.crf.{name}" for name in CRF_TENSORS}
    if is_plain and names.dense is None:
        return _linear("output", prefix)
    return _linear("before.dense", names.dense) | _linear("before.norm", names.norm) | _linear("output", names.output)


def _output_names(task: str, family: Family, *, prefix: str | None) -> HeadNames:
    """Names of a head in a plain folder, or with Lexel's prefix."""
    if prefix is None:
        return {"classify": family.classify, "answer": family.answer}.get(task, family.tagging)
    return HeadNames(f"{prefix}.dense", f"{prefix}.out_proj") if task == "classify" else HeadNames(None, prefix)


def _linear(own: str, there: str | None) -> Names:
    return {} if there is None else {f"{own}.{part}": f"{there}.{part}" for part in ("weight", "bias")}


def tensors_of(module: nn.Module, names: Names) -> dict[str, torch.Tensor]:
    """A head's tensors by their names in a folder."""
    state = module.state_dict()
    return {there: state[own] for own, there in names.items() if own in state}


def fits(module: nn.Module, names: Names, tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether a folder's tensors are exactly those of a head."""
    state = module.state_dict()
    own = {there: state[name].shape for name, there in names.items() if name in state}
    return own == {there: tensors[there].shape for there in names.values() if there in tensors}


def load_head(module: nn.Module, names: Names, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load a head's weights from a folder's tensors."""
    with torch.no_grad():
        for there, parameter in tensors_of(module, names).items():
            parameter.copy_(tensors[there])


def load_rows(module: nn.Module, names: Names, tensors: Mapping[str, torch.Tensor], rows: Mapping[int, int]) -> None:
    """Load a head's weights from a folder's tensors; of its output, only some rows, mapped from own to folder's row."""
    own, theirs = list(rows), list(rows.values())
    state = module.state_dict()
    with torch.no_grad():
        for name, there in names.items():
            if name.startswith("output."):
                state[name][own] = tensors[there][theirs]
            elif name in state:
                state[name].copy_(tensors[there])


def named_tensors(
    model: MultiHead, heads: Sequence[TrainedHead], *, family: Family, prefixes: Mapping[str, str], encoder_prefix: str
) -> dict[str, torch.Tensor]:
    """All tensors of a model by their names in a folder."""
    encoder = {f"{encoder_prefix}{name}": tensor for name, tensor in model.encoder.state_dict().items()}
    for head in heads:
        encoder |= tensors_of(model.head(head.name), head_names(head, family=family, prefix=prefixes[head.name]))
    adapters = {} if model.adapters is None else model.adapters.state_dict()
    return encoder | {f"adapters.{name}": tensor for name, tensor in adapters.items()}
