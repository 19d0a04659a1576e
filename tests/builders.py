"""Builders of tiny model folders from nothing, for the tests of every room.

``build_tagger`` needs numpy and safetensors only: a BERT with random weights, any heads, a WordPiece or a character
vocabulary. ``build_rule_tagger`` makes one that labels each piece as it is told. ``build_reference`` makes a folder of
any family with transformers, and keeps transformers' model beside it. ``fake_tagger`` computes nothing: a tagger of
such a folder with random scores.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lexel.checkpoint import open_checkpoint
from lexel.engines.base import Engine
from lexel.engines.fake import FakeEngine
from lexel.engines.packing import Sequences, build_rows, pack
from lexel.labels import detect
from lexel.names import Layer
from lexel.pointers import read_pointer
from lexel.tasks.base import Flow
from lexel.tasks.layers import LayerHead, TagOptions
from lexel.tasks.tag import Tagger

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARS = "的一是不在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会天臺北市長王小明"
VOCAB = (
    *SPECIALS,
    *CHARS,
    *"abcdefghijklmnopqrstuvwxyz0123456789.,!?，。！？",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"),
    *("the", "new", "york", "live", "##ing", "##ed", "in", "to", "went"),
)
"""Single characters, some English pieces and their continuations."""
WORDS = ("B", "I")
POS = ("Na", "VC", "D", "PERIODCATEGORY")
WORDS_POS = ("B-Na", "I-Na", "B-VC", "I-VC")
ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")

Tensors = dict[str, NDArray[np.float32]]


# Without a framework -------------------------------------------------------------------------------------------------


def bert_config(**changes: Any) -> dict[str, Any]:
    """The ``config.json`` of a tiny BERT; ``None`` leaves a key out."""
    config = {
        "model_type": "bert",
        "vocab_size": len(VOCAB),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        **changes,
    }
    return {key: value for key, value in config.items() if value is not None}


def bert_tensors(config: Mapping[str, Any], heads: Mapping[str, int], *, seed: int = 0) -> Tensors:
    """Random tensors of a BERT under transformers' names, and of its heads by prefix and number of labels.

    Their sizes are such that pieces stay unlike each other through the layers, and every label comes up.
    """
    random = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tensors: Tensors = {}

    def put(name: str, *shape: int, scale: float = 1.0, mean: float = 0.0) -> None:
        tensors[name] = (random.normal(size=shape) * scale + mean).astype(np.float32)

    def put_linear(name: str, outputs: int, inputs: int, *, scale: float = 0.15) -> None:
        put(f"{name}.weight", outputs, inputs, scale=scale)
        put(f"{name}.bias", outputs, scale=0.1)

    def put_norm(name: str) -> None:
        put(f"{name}.weight", hidden, scale=0.1, mean=1.0)
        put(f"{name}.bias", hidden, scale=0.1)

    put("bert.embeddings.word_embeddings.weight", config["vocab_size"], hidden)
    put("bert.embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    put("bert.embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    put_norm("bert.embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            put_linear(f"{layer}.{name}", hidden, hidden)
        put_norm(f"{layer}.attention.output.LayerNorm")
        put_linear(f"{layer}.intermediate.dense", inner, hidden)
        put_linear(f"{layer}.output.dense", hidden, inner)
        put_norm(f"{layer}.output.LayerNorm")
    for prefix, n_labels in heads.items():
        put_linear(prefix, n_labels, hidden, scale=1.0)
    return tensors


def build_tagger(
    folder: Path,
    *,
    heads: Mapping[str, Sequence[str]],
    pieces: str = "tokenizer",
    vocab: Sequence[str] = VOCAB,
    config: Mapping[str, Any] | None = None,
    word_label: str = "first",
    max_length: int | None = None,
    seed: int = 1,
) -> Path:
    """A folder with a tiny random BERT and tagging heads; needs numpy and safetensors only.

    Args:
        folder: Where to make it.
        heads: Labels by the head's name. One head makes a plain Hugging Face folder where ``pieces`` is ``tokenizer``;
            otherwise the folder has a ``lexel.json``.
        pieces: ``tokenizer`` (WordPiece over ``vocab``, lower-casing) or ``chars``.
        vocab: The pieces; the special ones first.
        config: Changes to ``bert_config``.
        word_label: ``first`` or ``mean``, for heads of word labels.
        max_length: What ``tokenizer_config.json`` says, if anything.
        seed: Of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_plain = pieces == "tokenizer" and len(heads) <= 1
    prefixes = {name: "classifier" if is_plain else f"heads.{name}" for name in heads}
    values = bert_config(**{"vocab_size": len(vocab), **(config or {})})
    if is_plain:
        labels = next(iter(heads.values()), None)
        values["architectures"] = ["BertModel" if labels is None else "BertForTokenClassification"]
        if labels is not None:
            values["id2label"] = {str(i): label for i, label in enumerate(labels)}
    else:
        entries = {name: _head_entry(labels, prefixes[name], word_label) for name, labels in heads.items()}
        write_json(folder / "lexel.json", {"format": 1, "pieces": pieces, "heads": entries})
    sizes = {prefixes[name]: len(labels) for name, labels in heads.items()}
    write_folder(folder, values, bert_tensors(values, sizes, seed=seed), vocab, max_length=max_length)
    return folder


def build_sentence_model(folder: Path, *, pooling: str = "mean", hidden_size: int = 32, seed: int = 4) -> Path:
    """A bare encoder with the files of sentence-transformers: it pools by mean or cls, to vectors of length 1."""
    build_tagger(folder, heads={}, config={"hidden_size": hidden_size}, seed=seed)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    ways = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden_size, **ways})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    write_json(folder / "modules.json", modules)
    return folder


def build_rule_tagger(folder: Path, labels: Sequence[str], rule: Mapping[str, str], *, positions: int = 32) -> Path:
    """A BERT that labels each piece by itself, as ``rule`` says: the right answer is known without running it."""
    vocab = (*SPECIALS, *rule)
    hidden = -(-len(vocab) // 4) * 4
    config = bert_config(
        vocab_size=len(vocab),
        hidden_size=hidden,
        num_attention_heads=4,
        num_hidden_layers=1,
        max_position_embeddings=positions,
        architectures=["BertForTokenClassification"],
        id2label={str(i): label for i, label in enumerate(labels)},
    )
    tensors = {name: np.zeros_like(value) for name, value in bert_tensors(config, {"classifier": len(labels)}).items()}
    for name in tensors:
        if name.endswith("LayerNorm.weight"):
            tensors[name] += 1
    tensors["bert.embeddings.word_embeddings.weight"] += np.eye(len(vocab), hidden, dtype=np.float32)
    for i, label in enumerate(rule.values()):
        tensors["classifier.weight"][labels.index(label), len(SPECIALS) + i] = 1
    write_folder(folder, config, tensors, vocab, max_length=positions)
    return folder


def write_folder(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Tensors,
    vocab: Sequence[str],
    *,
    max_length: int | None = None,
) -> None:
    """A model folder of these parts, with a lower-casing BERT tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    write_vocab(folder, vocab, max_length=max_length)


def _head_entry(labels: Sequence[str], prefix: str, word_label: str) -> dict[str, Any]:
    label_set = detect(labels)
    is_pos = label_set.task == "labels"
    entry = {"task": "pos" if is_pos else label_set.task, "labels": list(labels), "prefix": prefix}
    return {**entry, "word_label": word_label} if is_pos else {**entry, "scheme": label_set.scheme}


def write_vocab(folder: Path, vocab: Sequence[str], *, max_length: int | None = None) -> None:
    """``vocab.txt`` and ``tokenizer_config.json`` of a lower-casing BERT tokenizer."""
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocab), encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    write_json(folder / "tokenizer_config.json", settings | ({"model_max_length": max_length} if max_length else {}))


def write_json(path: Path, values: Any) -> None:
    """A JSON file."""
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


# With transformers ---------------------------------------------------------------------------------------------------

N_PIECES = 99
SIZES = {
    "vocab_size": N_PIECES,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.02,
}


MODERN = {
    **SIZES,
    "num_hidden_layers": 4,
    "max_position_embeddings": 64,
    "local_attention": 8,
    "initializer_range": 0.1,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
}
"""Settings of a tiny ModernBERT, whose layers see the whole sequence, twice a window of 4 to either side, and all."""


EURO = {
    **SIZES,
    "max_position_embeddings": 64,
    "num_key_value_heads": 2,
    "initializer_range": 0.05,
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "mask_token_id": 3},
}
"""Settings of a tiny EuroBERT, with two heads of queries to one of keys."""


DEBERTA_V3 = {
    **SIZES,
    "max_position_embeddings": 64,
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_buckets": 16,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "initializer_range": 0.1,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How transformers makes a tiny model: its ``model_type`` and its config's settings."""

    model_type: str
    settings: Mapping[str, Any]


RECIPES = {
    "bert": Recipe("bert", {**SIZES, "max_position_embeddings": 64, "hidden_act": "gelu"}),
    "bert-sharp": Recipe(
        "bert",
        {**SIZES, "max_position_embeddings": 64, "hidden_act": "relu", "num_hidden_layers": 1}
        | {"initializer_range": 0.1},
    ),
    "roberta": Recipe(
        "roberta",
        {**SIZES, "max_position_embeddings": 66, "hidden_act": "silu", "pad_token_id": 1, "type_vocab_size": 1}
        | {"layer_norm_eps": 1e-5},
    ),
    "xlm-roberta": Recipe(
        "xlm-roberta",
        {**SIZES, "max_position_embeddings": 66, "hidden_act": "gelu", "pad_token_id": 1, "type_vocab_size": 1}
        | {"layer_norm_eps": 1e-5},
    ),
    "albert": Recipe(
        "albert", {**SIZES, "max_position_embeddings": 64, "embedding_size": 16, "hidden_act": "gelu_new"}
    ),
    "albert-groups": Recipe(
        "albert",
        {**SIZES, "max_position_embeddings": 64, "embedding_size": 16, "hidden_act": "gelu", "num_hidden_layers": 5}
        | {"num_hidden_groups": 2, "inner_group_num": 2},
    ),
    "electra": Recipe("electra", {**SIZES, "max_position_embeddings": 64, "embedding_size": 16, "hidden_act": "gelu"}),
    "electra-wide": Recipe(
        "electra",
        {**SIZES, "max_position_embeddings": 64, "embedding_size": 32, "hidden_act": "gelu", "num_hidden_layers": 1},
    ),
    "distilbert": Recipe(
        "distilbert",
        {
            "vocab_size": N_PIECES,
            "dim": 32,
            "n_layers": 3,
            "n_heads": 4,
            "hidden_dim": 64,
            "max_position_embeddings": 64,
        }
        | {"activation": "gelu", "initializer_range": 0.02},
    ),
    "ernie": Recipe("ernie", {**SIZES, "max_position_embeddings": 64, "use_task_id": True, "task_type_vocab_size": 3}),
    "ernie-1": Recipe("ernie", {**SIZES, "max_position_embeddings": 64, "num_hidden_layers": 1}),
    "data2vec": Recipe(
        "data2vec-text",
        {**SIZES, "max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "roberta-prelayernorm": Recipe(
        "roberta-prelayernorm",
        {**SIZES, "max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "xlm-roberta-xl": Recipe(
        "xlm-roberta-xl",
        {**SIZES, "max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "megatron-bert": Recipe("megatron-bert", {**SIZES, "max_position_embeddings": 64, "initializer_range": 0.1}),
    "rembert": Recipe(
        "rembert",
        {**SIZES, "max_position_embeddings": 64, "input_embedding_size": 16, "output_embedding_size": 24},
    ),
    "modernbert": Recipe("modernbert", MODERN),
    "modernbert-biased": Recipe(
        "modernbert",
        {**MODERN, "num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
        | dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), True)
        | {"hidden_activation": "silu", "classifier_activation": "tanh", "classifier_pooling": "mean"}
        | {"decoder_bias": False},
    ),
    "gte": Recipe("gte", {**SIZES, "max_position_embeddings": 64, "pad_token_id": 1, "type_vocab_size": 1}),
    "gte-no-types": Recipe(
        "gte",
        {**SIZES, "max_position_embeddings": 64, "pad_token_id": 0, "type_vocab_size": 0, "num_hidden_layers": 1}
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ),
    "nomic-bert": Recipe("nomic_bert", {**SIZES, "max_position_embeddings": 64, "initializer_range": 0.1}),
    "jina-embeddings-v3": Recipe(
        "jina_embeddings_v3", {**SIZES, "max_position_embeddings": 64, "pad_token_id": 1, "type_vocab_size": 1}
    ),
    "mpnet": Recipe("mpnet", {**SIZES, "max_position_embeddings": 66, "pad_token_id": 1, "initializer_range": 0.1}),
    "nezha": Recipe("nezha", {**SIZES, "max_position_embeddings": 64, "max_relative_position": 9}),
    "roformer": Recipe("roformer", {**SIZES, "max_position_embeddings": 64, "embedding_size": 16}),
    "roformer-values": Recipe(
        "roformer",
        {**SIZES, "max_position_embeddings": 64, "rotary_value": True, "num_hidden_layers": 1, "hidden_act": "relu"},
    ),
    "eurobert": Recipe("eurobert", EURO),
    "eurobert-biased": Recipe(
        "eurobert",
        {**EURO, "num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True, "classifier_pooling": "mean"},
    ),
    "deberta-v3": Recipe("deberta-v2", DEBERTA_V3),
    "deberta-v2": Recipe(
        "deberta-v2",
        {**DEBERTA_V3, "share_att_key": False, "norm_rel_ebd": "none", "position_biased_input": True}
        | {"position_buckets": -1, "max_relative_positions": 24, "type_vocab_size": 2, "pooler_hidden_act": "tanh"},
    ),
    "deberta-c2p": Recipe("deberta-v2", {**DEBERTA_V3, "pos_att_type": "c2p", "hidden_act": "relu"}),
    "deberta-plain": Recipe("deberta-v2", {**SIZES, "max_position_embeddings": 64, "num_hidden_layers": 1}),
}
"""The tiny models that every engine is compared on; together they have every family and several activations."""


def build_reference(folder: Path, recipe: Recipe, *, seed: int = 0) -> Any:
    """A folder that transformers wrote, with a token classifier of a recipe; gives transformers' model (float32).

    Biases and norms are random too, and the head is steep enough that its probabilities are all over the range.
    """
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    if recipe.model_type == "nezha":
        from tests import nezha

        nezha.register()
    config = AutoConfig.for_model(recipe.model_type, **recipe.settings)
    config.id2label = dict(enumerate(ENTITIES))
    config.label2id = {label: i for i, label in enumerate(ENTITIES)}
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "classifier.weight":
                parameter.normal_(std=0.5)
            elif parameter.ndim == 1:
                is_norm = "norm" in name.lower() or name.endswith("ln.weight")
                mean = 1.0 if is_norm and name.endswith("weight") else 0.0
                parameter.normal_(mean=mean, std=0.1)
    model.save_pretrained(folder)
    return model


def in_float64(model: Any) -> Any:
    """transformers' model in float64, with rotary positions that are no longer of float32."""
    import torch

    def exact(module: Any, x: torch.Tensor, position_ids: torch.Tensor, layer_type: str | None = None) -> Any:
        config = module.config
        rope = config.rope_parameters if layer_type is None else config.rope_parameters[layer_type]
        size, base = config.hidden_size // config.num_attention_heads, rope["rope_theta"]
        angles = position_ids[..., None].double() / base ** (torch.arange(0, size, 2).double() / size)
        whole = torch.cat((angles, angles), dim=-1)
        return whole.cos(), whole.sin()

    for name, module in model.named_modules():
        if name.endswith("rotary_emb"):
            module.forward = partial(exact, module)
            sys.modules[type(module).__module__].apply_rotary_pos_emb = _turned  # theirs is of float32, too
        elif type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(_scaled, module)  # theirs is of float32
    model = model.double()
    for name, module in model.named_modules():
        if name.endswith("embed_positions"):
            module.weight.data = _sines(*module.weight.shape)
    return model


def _sines(n_positions: int, size: int) -> Any:
    """RoFormer's table: sines of all angles, then their cosines."""
    import torch

    angles = torch.arange(n_positions).double()[:, None] / 10_000.0 ** (torch.arange(0, size, 2).double() / size)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def _scaled(norm: Any, x: Any) -> Any:
    return norm.weight * x / (x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).sqrt()


def _turned(q: Any, k: Any, cos: Any, sin: Any, unsqueeze_dim: int = 1) -> Any:
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return tuple(x * cos + _half_turned(x) * sin for x in (q, k))


def _half_turned(x: Any) -> Any:
    import torch

    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


_CLASSES = {"classify": "SequenceClassification", "fill": "MaskedLM", "answer": "QuestionAnswering"}


def build_plain(folder: Path, task: str) -> Path:
    """A folder that transformers wrote, with a head for whole texts, masks or answers, and a WordPiece vocabulary."""
    import torch
    import transformers

    settings = {**RECIPES["bert"].settings, "vocab_size": len(VOCAB)}
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model("bert", **settings)
    getattr(transformers, f"AutoModelFor{_CLASSES[task]}").from_config(config).save_pretrained(folder)
    write_vocab(folder, VOCAB)
    return folder


# Packed input --------------------------------------------------------------------------------------------------------


def random_sequences(lengths: Sequence[int], *, n_types: int = 1, n_pieces: int = N_PIECES, seed: int = 0) -> Sequences:
    """Sequences of random pieces (no special ones) and types, every piece picked."""
    random = np.random.default_rng(seed)
    total = sum(lengths)
    return Sequences(
        ids=random.integers(len(SPECIALS), n_pieces, total).astype(np.int32),
        type_ids=random.integers(0, max(n_types, 1), total).astype(np.int32),
        picked=np.ones(total, np.bool_),
        bounds=np.concatenate(([0], np.cumsum(lengths))),
    )


def compute(
    engine: Engine,
    sequences: Sequences,
    outputs: Sequence[str],
    *,
    max_length: int,
    batch_pieces: int = 256,
    pad: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """What an engine gives for sequences packed into rows, in the order of their pieces, by output."""
    placements = pack(np.diff(sequences.bounds), max_length=max_length, batch_pieces=batch_pieces)
    batches = [build_rows(sequences, placement, pad=pad) for placement in placements]
    scores = list(engine.run((rows for rows, _ in batches), outputs))
    pieces = np.concatenate([asked for _, asked in batches])
    in_order = np.argsort(pieces)
    return {name: np.concatenate([part[name] for part in scores])[in_order] for name in outputs}


def openvino_has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 here at all, natively or not."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


# Without a model -----------------------------------------------------------------------------------------------------


def noise(n_labels: int, *, seed: int = 0, n_pieces: int = 2000) -> Callable[[NDArray[np.int32]], NDArray[np.float32]]:
    """A rule for ``FakeEngine``: random scores, the same for a piece wherever it stands."""
    table = (np.random.default_rng(seed).normal(size=(n_pieces, n_labels)) * 3).astype(np.float32)
    return lambda ids: table[ids]


def fake_tagger(folder: Path, engine: Engine | None = None, **options: Any) -> Tagger:
    """A tagger of a folder's heads, one for each layer, whose scores are noise or a given engine's."""
    checkpoint = open_checkpoint(folder)
    heads = {_LAYERS[head.task]: head for head in checkpoint.heads.values()}
    if any(head.task == "words+pos" for head in checkpoint.heads.values()):
        heads["pos"] = heads["words"]
    rules = {head.name: noise(len(head.labels), seed=i) for i, head in enumerate(checkpoint.heads.values())}
    flow = Flow(str(folder), checkpoint, engine or FakeEngine(rules), outputs=list(rules))
    layers = {
        layer: LayerHead(flow.name, head, detect(head.labels, scheme=head.scheme)) for layer, head in heads.items()
    }
    return Tagger([flow], layers, TagOptions(**options))


def build_span_model(
    folder: Path,
    *,
    labels: Sequence[str] = ("LOC", "ORG", "PER"),
    pointer: Mapping[str, Any] | None = None,
    vocab: Sequence[str] = VOCAB,
    seed: int = 1,
    **config: Any,
) -> Path:
    """A folder with a tiny random BERT and a head that scores spans; needs numpy and safetensors only."""
    form = read_pointer({"size": 8, **(pointer or {})}, "pointer")
    entry = {"task": "spans", "prefix": "heads.spans", "labels": list(labels), "pointer": form.record}
    values = bert_config(vocab_size=len(vocab), **config)
    tensors = bert_tensors(values, {}, seed=seed)
    random, hidden, n = np.random.default_rng(seed), values["hidden_size"], len(labels)
    shapes = {"": (2 * form.size * n, hidden)}
    if form.kind != "global-pointer":
        shapes = {".p_dense": (2 * form.size, hidden), ".q_dense": (2 * n, 2 * form.size)}
    for name, shape in shapes.items():
        tensors[f"heads.spans{name}.weight"] = (random.normal(size=shape) * 0.5).astype(np.float32)
        tensors[f"heads.spans{name}.bias"] = (random.normal(size=shape[0]) * 0.5).astype(np.float32)
    write_folder(folder, values, tensors, vocab)
    write_json(folder / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {"spans": entry}})
    return folder


_LAYERS: dict[str, Layer] = {"words": "words", "words+pos": "words", "pos": "pos", "entities": "entities"}


def write_byte_level_tokenizer(folder: Path) -> None:
    """A ``tokenizer.json`` as RoBERTa has it: pieces are bytes, so one character may be several pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {
        piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *alphabet, "Ġt", "he", "Ġthe"])
    }
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he")]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    _save_tokenizer(folder, tokenizer)


def write_unigram_tokenizer(folder: Path) -> None:
    """A ``tokenizer.json`` as XLM-R has it: pieces of a unigram model, blanks as ``▁``."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "▁",
        *CHARS,
        *"abcdefghijklmnopqrstuvwxyz",
        "▁the",
        "▁new",
    ]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    _save_tokenizer(folder, tokenizer)


def _save_tokenizer(folder: Path, tokenizer: Any) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
