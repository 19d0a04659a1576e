"""Tiny random text classifiers that transformers wrote, of several families and tokenizers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers import pipeline as transformers_pipeline
from transformers.utils import logging

from tests.builders import VOCAB, write_byte_level_tokenizer, write_json, write_unigram_tokenizer, write_vocab

CLASSES = ("good", "bad", "so so")
NLI = ("contradiction", "neutral", "entailment")
SENTENCES = (
    "the new york",
    "天下的人",
    "in to the live ing",
    "",
    "王小明在台北市",
    "went the the new 市長",
    "a",
    "我們和你們 new york, live!",
)
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_TOKENIZERS = {"roberta": write_byte_level_tokenizer, "xlm-roberta": write_unigram_tokenizer}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    yield
    torch.set_num_threads(before)


def build_classifier(
    folder: Path, labels: Sequence[str] = CLASSES, *, model_type: str = "bert", **settings: Any
) -> Path:
    """A folder with a random classifier, whose scores differ from text to text, and a tokenizer."""
    length = settings.pop("max_length", 64)
    if model_type in _TOKENIZERS:
        _TOKENIZERS[model_type](folder)
        names = {"pad_token": "<pad>", "unk_token": "<unk>"}
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names})
        sizes = {"vocab_size": 300, "max_position_embeddings": length + 2, "type_vocab_size": 1, "pad_token_id": 1}
    else:
        write_vocab(folder, VOCAB, max_length=length)
        sizes = {"vocab_size": len(VOCAB), "max_position_embeddings": length}
    config = AutoConfig.for_model(
        model_type,
        **{**_SIZES, **sizes, **settings},
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = "norm" in name.lower() and name.endswith("weight")
            parameter.normal_(mean=1.0 if is_norm else 0.0, std=0.15)
        last = [
            parameter for name, parameter in model.named_parameters() if "classifier" in name and parameter.ndim == 2
        ]
        last[-1].normal_(std=0.7)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def nli_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_classifier(tmp_path_factory.mktemp("nli"), NLI)


def theirs(task: str, folder: Path, **options: Any) -> Any:
    """Transformers' pipeline on a folder, in float32 on one thread."""
    return transformers_pipeline(task, model=str(folder), device=-1, dtype=torch.float32, **options)


def assert_same(ours: Any, expected: Any) -> None:
    """The same shapes, keys, types and values; numbers within 1e-5."""
    __tracebackhide__ = True
    assert type(ours) is type(expected)
    if isinstance(expected, list):
        assert len(ours) == len(expected)
        for mine, their in zip(ours, expected, strict=True):
            assert_same(mine, their)
    elif isinstance(expected, dict):
        assert list(ours) == list(expected)
        for key in expected:
            assert_same(ours[key], expected[key])
    elif isinstance(expected, float):
        assert ours == pytest.approx(expected, abs=1e-5)
    else:
        assert ours == expected
