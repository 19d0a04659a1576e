"""The models that are measured: BERTs with random weights in the shapes of real ones, and the bundled model."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.texts import all_sentences
from lexel.checkpoint.source import bundled_folder

SEED = 20261120
CALIBRATION_SENTENCES = 48
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a BERT."""

    n_layers: int
    hidden_size: int
    n_heads: int
    n_pieces: int

    @property
    def name(self) -> str:
        """The shape in words."""
        return f"BERT, {self.n_layers} layer{'s' * (self.n_layers > 1)} of {self.hidden_size}"

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward layer."""
        return 4 * self.hidden_size


BASE = Shape(n_layers=12, hidden_size=768, n_heads=12, n_pieces=21_128)
SMALL = Shape(n_layers=2, hidden_size=128, n_heads=2, n_pieces=21_128)
TINY = Shape(n_layers=1, hidden_size=64, n_heads=2, n_pieces=8_000)


class Folders:
    """Model folders, each made when first asked for, under a folder that somebody else removes."""

    def __init__(self, folder: Path, *, shape: Shape) -> None:
        self._folder = folder
        self.shape = shape

    @cached_property
    def bert(self) -> str:
        """The BERT to measure, with a graph exported from it."""
        folder = write_bert(self._folder / "bert", self.shape)
        export(folder)
        return str(folder)

    @cached_property
    def int8(self) -> str:
        """The same BERT quantised."""
        return str(write_quantised(self._folder / "int8", self.bert))

    @cached_property
    def relu(self) -> str:
        """The same BERT with ReLU, which costs nothing, in place of GELU."""
        return str(write_bert(self._folder / "relu", self.shape, activation="relu"))

    @cached_property
    def classifier(self) -> str:
        """A BERT of the same shape that puts texts into classes."""
        return str(write_classifier(self._folder / "classifier", self.shape))

    @cached_property
    def modernbert(self) -> str:
        """A ModernBERT with as many layers as the published base model has for the BERT of this shape."""
        return str(write_modernbert(self._folder / "modernbert", self.shape))

    @cached_property
    def deberta(self) -> str:
        """A DeBERTa v3 of the BERT's shape, with a graph exported from it."""
        folder = write_deberta(self._folder / "deberta", self.shape)
        export(folder)
        return str(folder)

    @cached_property
    def small(self) -> str:
        """A BERT so small that everything around it counts; where the measured one is no larger, that one."""
        return self.bert if self.small_shape == self.shape else str(write_bert(self._folder / "small", SMALL))

    @cached_property
    def small_int8(self) -> str:
        """The small BERT quantised."""
        if self.small_shape == self.shape:
            return self.int8
        return str(write_quantised(self._folder / "small-int8", self.small))

    @property
    def small_shape(self) -> Shape:
        """The shape of the small BERT."""
        return min(self.shape, SMALL, key=lambda shape: shape.hidden_size)

    @cached_property
    def wordpiece(self) -> str:
        """The bundled model's heads over WordPiece, without weights: for measuring everything but the encoder."""
        folder = self._folder / "wordpiece"
        bundled = bundled_folder()
        config = json.loads((bundled / "config.json").read_text(encoding="utf-8"))
        lexel = json.loads((bundled / "lexel.json").read_text(encoding="utf-8"))
        write_vocab(folder, BASE.n_pieces)
        _write_json(folder / "config.json", config | {"vocab_size": BASE.n_pieces})
        _write_json(folder / "lexel.json", lexel | {"pieces": "tokenizer"})
        shutil.copy(bundled / "model.safetensors", folder)
        return str(folder)


def write_bert(folder: Path, shape: Shape, *, activation: str = "gelu") -> Path:
    """Write a BERT with random weights that finds words (labels B and I)."""
    from transformers import BertForTokenClassification

    return _write_random(folder, shape, BertForTokenClassification, labels=("B", "I"), activation=activation)


def write_classifier(folder: Path, shape: Shape) -> Path:
    """Write a BERT with random weights that puts texts into three classes."""
    from transformers import BertForSequenceClassification

    return _write_random(folder, shape, BertForSequenceClassification, labels=("good", "bad", "neither"))


def modernbert_layers(shape: Shape) -> int:
    """Layers of a ModernBERT beside a BERT: 22 beside 12."""
    return shape.n_layers * 22 // 12


def write_modernbert(folder: Path, shape: Shape) -> Path:
    """Write a ModernBERT with random weights in the proportions of the published base model."""
    from transformers import ModernBertConfig, ModernBertForTokenClassification

    pieces = {f"{name}_token_id": 0 for name in ("pad", "bos", "eos", "cls", "sep")}
    config = ModernBertConfig(
        **_sizes(shape),
        **pieces,
        num_hidden_layers=modernbert_layers(shape),
        intermediate_size=shape.hidden_size * 3 // 2,
        **_labels(("B", "I")),
    )
    return _write_tokenizer_json(_write_config(folder, shape, config, ModernBertForTokenClassification))


def write_deberta(folder: Path, shape: Shape) -> Path:
    """Write a DeBERTa v3 with random weights and the settings of the published base model."""
    from transformers import DebertaV2Config, DebertaV2ForTokenClassification

    config = DebertaV2Config(
        **_sizes(shape),
        num_hidden_layers=shape.n_layers,
        intermediate_size=shape.intermediate_size,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type="p2c|c2p",
        position_biased_input=False,
        type_vocab_size=0,
        **_labels(("B", "I")),
    )
    return _write_tokenizer_json(_write_config(folder, shape, config, DebertaV2ForTokenClassification))


def write_quantised(out: Path, folder: str) -> Path:
    """Quantise a folder; the decisions of random weights may come out as they like."""
    from lexel.checkpoint import open_checkpoint
    from lexel.export.quantize import QuantizeOptions, quantize

    texts = all_sentences()[:CALIBRATION_SENTENCES]
    quantize(open_checkpoint(folder), out, calibration=texts, options=QuantizeOptions(max_flips=1000))
    return out


def _write_random(folder: Path, shape: Shape, kind: Any, *, labels: Sequence[str], activation: str = "gelu") -> Path:
    from transformers import BertConfig

    config = BertConfig(
        **_sizes(shape),
        num_hidden_layers=shape.n_layers,
        intermediate_size=shape.intermediate_size,
        hidden_act=activation,
        **_labels(labels),
    )
    return _write_config(folder, shape, config, kind)


def _write_tokenizer_json(folder: Path) -> Path:
    """The folder's tokenizer for families whose classes do not read ``vocab.txt``, without types of texts."""
    from transformers import BertTokenizer

    BertTokenizer.from_pretrained(folder, do_lower_case=False).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    inputs = ["input_ids", "attention_mask"]
    _write_json(path, settings | {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": inputs})
    return folder


def _sizes(shape: Shape) -> dict[str, int]:
    return {
        "vocab_size": shape.n_pieces,
        "hidden_size": shape.hidden_size,
        "num_attention_heads": shape.n_heads,
    }


def _labels(labels: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def _write_config(folder: Path, shape: Shape, config: Any, kind: Any) -> Path:
    import torch

    torch.manual_seed(SEED)
    kind(config).save_pretrained(folder)
    write_vocab(folder, shape.n_pieces)
    return folder


def write_vocab(folder: Path, n_pieces: int) -> None:
    """A WordPiece vocabulary of the characters of all sentences, filled up to ``n_pieces``."""
    chars = sorted({char for text in all_sentences() for char in text if not char.isspace()})
    pieces = [*SPECIALS, *chars, *(f"##{char}" for char in chars)]
    pieces += [f"[unused{i}]" for i in range(n_pieces - len(pieces))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces[:n_pieces]), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512}
    _write_json(folder / "tokenizer_config.json", settings)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights.\n", encoding="utf-8")


def export(folder: Path) -> None:
    """Write the graph that torch's trace of transformers' model gives, as ``exported.xml``."""
    import openvino as ov
    import torch
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    ids = torch.ones((2, 8), dtype=torch.int64)
    inputs = {"input_ids": ids, "attention_mask": ids}
    if model.config.type_vocab_size:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about branches that no input takes
        graph = ov.convert_model(model, example_input=inputs)
    ov.save_model(graph, folder / "exported.xml", compress_to_fp16=False)


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
