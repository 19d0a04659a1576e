"""Tiny models with a head for answers: transformers' own beside the folder, or scores that are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer
from transformers.utils import logging

from lexel.checkpoint import open_checkpoint
from lexel.engines.fake import FakeEngine
from lexel.tasks.answer import Answerer, AnswerOptions
from lexel.tasks.base import Flow
from lexel.text.script import in_script
from tests.builders import (
    SPECIALS,
    VOCAB,
    bert_config,
    bert_tensors,
    write_byte_level_tokenizer,
    write_folder,
    write_vocab,
)

SETTINGS: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
BERT = {**SETTINGS, "vocab_size": len(VOCAB), "max_position_embeddings": 64}
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "bert": BERT,
    "albert": {**BERT, "embedding_size": 16},
    "electra": {**BERT, "embedding_size": 16},
    "distilbert": {"vocab_size": len(VOCAB), "max_position_embeddings": 64}
    | {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "roberta": {**SETTINGS, "vocab_size": 300, "max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1},
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A folder, and what transformers makes of it."""

    folder: Path
    model: Any
    tokenizer: Any

    def scores(self, **inputs: Any) -> NDArray[np.float64]:
        """Start and end scores of one sequence, ``[pieces, 2]``."""
        with torch.no_grad():
            given = self.model(**inputs)
        return np.stack((given.start_logits[0].numpy(), given.end_logits[0].numpy()), axis=1).astype(np.float64)


def build_reference(folder: Path, family: str) -> Reference:
    """A random model of a family whose answers are all over the context."""
    logging.disable_progress_bar()
    torch.manual_seed(1)
    config = AutoConfig.for_model(family, **FAMILIES[family])
    model = AutoModelForQuestionAnswering.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "qa_outputs.weight":
                parameter.normal_(std=0.6)
            elif parameter.ndim == 1:
                parameter.normal_(mean=1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, std=0.1)
    model.save_pretrained(folder)
    if family == "roberta":
        write_byte_level_tokenizer(folder)
    else:
        write_vocab(folder, VOCAB)
    return Reference(folder, model, AutoTokenizer.from_pretrained(folder))


Scores = Mapping[str, tuple[float, float]]


def made_up(
    folder: Path,
    scores: Scores,
    *,
    null: tuple[float, float] = (-9.0, -9.0),
    positions: int = 64,
    pieces: str = "chars",
    **options: Any,
) -> Answerer:
    """An answerer whose head gives each piece the scores that are said, wherever it stands; -9 to all others.

    The first word piece in the text ``[CLS]`` gets ``null``.
    """
    vocab = (*SPECIALS, *scores)
    config = bert_config(
        vocab_size=len(vocab), max_position_embeddings=positions, architectures=["BertForQuestionAnswering"]
    )
    write_folder(folder, config, bert_tensors(config, {"qa_outputs": 2}), vocab)
    script = options.pop("script", "as-is")
    table = np.full((len(vocab), 2), -9.0, np.float32)
    table[SPECIALS.index("[CLS]")] = null
    table[len(SPECIALS) :] = list(scores.values())
    rule: Callable[[NDArray[np.int32]], NDArray[np.float32]] = table.__getitem__
    checkpoint = open_checkpoint(folder, pieces=pieces)
    flow = Flow(str(folder), checkpoint, FakeEngine({"answer": rule}), outputs=["answer"])
    flow.tokenizer = in_script(flow.tokenizer, script)
    return Answerer(flow, AnswerOptions(**options))
