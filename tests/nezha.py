"""NEZHA for comparison: transformers 5 has no class for it, so this is the published formula, written a second time.

Wei et al. 2019 (https://arxiv.org/abs/1909.00204), equations 3 to 5: with ``a`` from keys i to j,
``e_ij = q_i (k_j + a_ij) / sqrt(d)`` and ``z_i = sum_j softmax(e)_ij (v_j + a_ij)``, where ``a_ij`` has sines and
cosines of the clipped distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    AttentionInterface,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertModel,
)
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.bert.modeling_bert import BertOnlyMLMHead, BertPreTrainedModel

from lexel.training.model.nezha import NezhaConfig


def relations(length: int, size: int, longest: int) -> NDArray[np.float64]:
    """``a_ij`` for each pair of places, ``[length, length, size]``."""
    found = np.empty((length, length, size))
    for i in range(length):
        for j in range(length):
            place = min(max(j - i, -longest), longest) + longest
            for k in range(size):
                angle = place / 10_000 ** ((k - k % 2) / size)
                found[i, j, k] = np.cos(angle) if k % 2 else np.sin(angle)
    return found


@cache
def _cached(length: int, size: int, longest: int) -> NDArray[np.float64]:
    return relations(length, size, longest)


def attend(
    query: NDArray[np.float64], key: NDArray[np.float64], value: NDArray[np.float64], longest: int
) -> NDArray[np.float64]:
    """One head of one sequence: ``[length, size]`` each."""
    length, size = query.shape
    a = _cached(length, size, longest)
    e = (query[:, None] * (key[None] + a)).sum(axis=-1) / np.sqrt(size)
    share = np.exp(e - e.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return np.asarray((share[..., None] * (value[None] + a)).sum(axis=1))


def by_formula(module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **_: Any) -> Any:
    """The same for transformers, ``[rows, heads, length, size]``; rows hold one sequence each, without padding."""
    longest = module.config.max_relative_position
    heads = [x.detach().numpy().astype(np.float64).reshape(-1, *x.shape[2:]) for x in (query, key, value)]
    mixed = np.stack([attend(*one, longest) for one in zip(*heads, strict=True)])
    return torch.from_numpy(mixed).to(query.dtype).view(query.shape).transpose(1, 2), None


AttentionInterface.register("nezha_by_formula", by_formula)


def _together(rows: Sequence[Any], length: int) -> Any:
    """Rows that were computed alone, with zeros where padding stands."""

    def padded(states: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([nn.functional.pad(one, (0, 0, 0, length - one.shape[1])) for one in states])

    return BaseModelOutputWithPooling(
        last_hidden_state=padded([row.last_hidden_state for row in rows]),
        pooler_output=None if rows[0].pooler_output is None else torch.cat([row.pooler_output for row in rows]),
        hidden_states=None
        if rows[0].hidden_states is None
        else tuple(padded(layer) for layer in zip(*(row.hidden_states for row in rows), strict=True)),
    )


class NoPositions(nn.Module):  # type: ignore[misc]
    def forward(self, position_ids: torch.Tensor) -> float:
        return 0.0


class OracleNezha(BertModel):  # type: ignore[misc]
    config_class = NezhaConfig
    base_model_prefix = "nezha"

    def __init__(self, config: NezhaConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config, add_pooling_layer=add_pooling_layer)
        self.embeddings.position_embeddings = NoPositions()
        self.config._attn_implementation = "nezha_by_formula"
        self.post_init()


class _WithHead(BertPreTrainedModel):  # type: ignore[misc]
    config_class = NezhaConfig
    base_model_prefix = "nezha"
    has_pooler = False

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__(config)
        self.nezha = OracleNezha(config, add_pooling_layer=self.has_pooler)
        self.add_head(config)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: Any = None, token_type_ids: Any = None, **asked: bool
    ) -> Any:
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        rows = [
            self.nezha(ids[None, :n], token_type_ids=kinds[None, :n], **asked)
            for ids, kinds, n in zip(input_ids, types, mask.sum(dim=1).tolist(), strict=True)
        ]
        return self.result(_together(rows, input_ids.shape[1]))


class NezhaForTokenClassification(_WithHead):
    def add_head(self, config: NezhaConfig) -> None:
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def result(self, given: Any) -> Any:
        return TokenClassifierOutput(logits=self.classifier(given.last_hidden_state), hidden_states=given.hidden_states)


class NezhaForSequenceClassification(NezhaForTokenClassification):
    has_pooler = True

    def result(self, given: Any) -> Any:
        return SequenceClassifierOutput(logits=self.classifier(given.pooler_output))


class NezhaForQuestionAnswering(_WithHead):
    def add_head(self, config: NezhaConfig) -> None:
        self.qa_outputs = nn.Linear(config.hidden_size, 2)

    def result(self, given: Any) -> Any:
        starts, ends = self.qa_outputs(given.last_hidden_state).unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=starts, end_logits=ends)


class NezhaForMaskedLM(_WithHead):
    _tied_weights_keys = {  # noqa: RUF012
        "cls.predictions.decoder.weight": "nezha.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def add_head(self, config: NezhaConfig) -> None:
        self.cls = BertOnlyMLMHead(config)

    def get_output_embeddings(self) -> nn.Module:
        decoder: nn.Module = self.cls.predictions.decoder
        return decoder

    def result(self, given: Any) -> Any:
        return MaskedLMOutput(logits=self.cls(given.last_hidden_state))


def register() -> None:
    """Make transformers' automatic classes know these."""
    AutoModelForTokenClassification.register(NezhaConfig, NezhaForTokenClassification, exist_ok=True)
    AutoModelForSequenceClassification.register(NezhaConfig, NezhaForSequenceClassification, exist_ok=True)
    AutoModelForQuestionAnswering.register(NezhaConfig, NezhaForQuestionAnswering, exist_ok=True)
    AutoModelForMaskedLM.register(NezhaConfig, NezhaForMaskedLM, exist_ok=True)
