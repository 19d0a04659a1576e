"""What distinguishes one family of encoders from another: a record that everything else asks.

A family is one file under ``lexel.encoder.families``: its record, and the function that builds its encoder. Reading a
config, finding heads, framing pairs of texts, training, saving and cards all take what they need from the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from lexel.encoder.layers import Encoder, MaskDecoder
from lexel.encoder.ops import Ops
from lexel.encoder.values import Values

PositionType = Literal["absolute", "relative_key", "relative_key_query"]

Pooling = Literal["first", "mean", "scores"]
"""What a text classifier looks at: the first piece, the mean of all, or all, whose scores are averaged."""


class Weights(Protocol):
    """The tensors of a checkpoint under a prefix; ``lexel.checkpoint.weights.Weights`` is one."""

    def at(self, prefix: str) -> Weights:
        """The tensors under ``prefix.``."""
        ...

    def base(self, prefix: str) -> Weights:
        """Those under ``prefix.`` if there are any, else all."""
        ...

    def has(self, name: str) -> bool:
        """Is there such a tensor?"""
        ...

    def full_name(self, name: str) -> str:
        """A name with the prefix."""
        ...

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """A tensor by its name, which must have this shape."""
        ...


class Build(Protocol):
    """Builds a family's encoder from a checkpoint's tensors."""

    def __call__(self, ops: Ops[Any], config: ModelConfig, weights: Weights) -> Encoder[Any]: ...


@dataclass(frozen=True, slots=True)
class ModelType:
    """One of Hugging Face's ``model_type`` values.

    Attributes:
        name: What people call these models: ``XLM-RoBERTa``.
        classes: How the names of transformers' classes begin: ``XLMRoberta``.
    """

    name: str
    classes: str


@dataclass(frozen=True, slots=True)
class EmbeddingNames:
    """What a family calls its tables, under the encoder's prefix; what it does not have is ``None``.

    Attributes:
        pieces: The table of pieces.
        positions: The table of positions.
        types: The table of sentence types.
        norm: The normalisation of their sum.
        project: The map from the tables' width to the encoder's.
        always_projects: Whether that map is there even if both are equal.
    """

    pieces: str
    positions: str | None
    types: str | None
    norm: str | None
    project: str | None = None
    always_projects: bool = False


@dataclass(frozen=True, slots=True)
class LayerNames:
    """What a family calls the parts of an encoder layer.

    Attributes:
        norm_first: Whether norms stand before attention and feed-forward part, and not behind their sums.
        distances: The table of distances of a model with relative positions, where the family may have one.
    """

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    inner: str
    outer: str
    feed_forward_norm: str
    norm_first: bool = False
    distances: str | None = None


@dataclass(frozen=True, slots=True)
class HeadNames:
    """What a head that gives labels, or starts and ends of answers, calls its parts.

    Attributes:
        dense: The first of two maps; ``None`` if there is only one.
        output: The map to the outputs.
        activation: Between the maps; ``None`` is the config's for heads.
        norm: Behind the activation, if there is one.
        dense_bias: The config's key for whether the first map has a bias; ``None``: it always has.
        norm_bias: The same for the norm.
    """

    dense: str | None
    output: str
    activation: str | None = "tanh"
    norm: str | None = None
    dense_bias: str | None = None
    norm_bias: str | None = None


@dataclass(frozen=True, slots=True)
class FillNames:
    """What a masked-language model calls the parts of its head.

    Attributes:
        prefix: Where the head stands; some have parts under sister names.
        dense: The first map; ``None`` if the decoder is all there is.
        norm: The normalisation behind its activation.
        decoder: The map to the vocabulary; without a weight of its own it is the table of embeddings.
        bias: Where the decoder's bias stands, if it has none under its own name.
        activation: ``None`` is the encoder's.
        is_like_heads: Whether ``None`` is the config's activation for heads instead.
        dense_bias: The config's key for whether the first map has a bias; ``None``: it always has.
        norm_bias: The same for the normalisation.
        decoder_bias: The same for the decoder.
        is_tied: Whether the decoder is the table of embeddings, whatever the config says.
    """

    prefix: str
    dense: str | None
    norm: str | None
    decoder: str
    bias: str
    activation: str | None = None
    is_like_heads: bool = False
    dense_bias: str | None = None
    norm_bias: str | None = None
    decoder_bias: str | None = None
    is_tied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one family of encoders is read, run, trained and described.

    Attributes:
        name: What it is called in messages.
        model_types: The values of ``model_type`` that it reads.
        build: Builds its encoder.
        required: What its ``config.json`` must have: the fields of ``ModelConfig``, and the file's keys.
        optional: What the file may leave out.
        defaults: What it means if the file leaves it out: the family's own definition, as transformers has it.
        read_more: Reads what only this family's file has; it becomes ``ModelConfig.more``.
        prefix: Where a task model keeps the encoder's tensors.
        embeddings: Names of its tables.
        layers: Where the layers with weights of their own stand, under the prefix; ``*`` is a number.
        layer: Names of the parts of a layer.
        last_norm: The normalisation behind the last layer, if there is one.
        fill: Names of its masked-language-model head in a plain folder.
        original_fill: Names of that head in checkpoints from before transformers' own form, where the family has such.
        build_mask_decoder: Builds what stands between the encoder and that form, if the checkpoint has it.
        classify: Names of its text classifier in a plain folder.
        tagging: Names of its classifier of pieces in a plain folder.
        answer: Names of its head for answers in a plain folder.
        pooling: The config's key for what a text classifier looks at; ``None``: always the first piece.
        poolings: What that key's values mean; the default is the last, or ``cls`` if it is there.
        missing_heads: Endings of architectures whose head Lexel does not compute, with what the head does.
        unused: Patterns of tensors that may go unused, with the reason.
        skips_padding_position: The first rows of its position table, up to the padding piece's, are never used.
        pair_type_id: Type of the second text of a pair, whatever the tokenizer's file says; ``None``: as it says.
        doubles_separator: Whether two separators stand between the texts of a pair, where no file says it.
        splits_words: Whether its tokenizer cuts Chinese text into words before it cuts words into pieces.
        fits_segments: Whether its attention can be computed by a kernel of variable length, which takes no bias.
        has_pooler: Whether transformers' encoder takes ``add_pooling_layer``.
        mask_maker: A method of transformers' encoder that makes the mask of attention (true where a piece is seen), for
            families whose classes take no mask of their own; training puts its own in its place.
        window: The config's key for the width of the local window that some layers attend in, if they do.
        masks: The masks that transformers' encoder takes by name, with whether each is limited to the window; empty if
            it takes one mask for all layers. Training needs them where there is a window.
    """

    name: str
    model_types: Mapping[str, ModelType]
    build: Build
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, float | int] = field(default_factory=dict)
    read_more: Callable[[Values], object] | None = None
    prefix: str
    embeddings: EmbeddingNames
    layers: str
    layer: LayerNames
    last_norm: str | None = None
    fill: FillNames
    original_fill: FillNames | None = None
    build_mask_decoder: Callable[[Ops[Any], ModelConfig, Weights, Encoder[Any]], MaskDecoder[Any] | None] | None = None
    classify: HeadNames
    tagging: HeadNames = HeadNames(None, "classifier")
    answer: HeadNames = HeadNames(None, "qa_outputs")
    pooling: str | None = None
    poolings: Mapping[str, Pooling] = field(default_factory=lambda: {"cls": "first", "mean": "mean"})
    missing_heads: Mapping[str, str] = field(default_factory=dict)
    unused: Sequence[tuple[str, str]] = ()
    skips_padding_position: bool = False
    pair_type_id: int | None = None
    doubles_separator: bool = False
    splits_words: bool = False
    fits_segments: bool = True
    has_pooler: bool = True
    mask_maker: str | None = None
    window: str | None = None
    masks: Mapping[str, bool] = field(default_factory=dict)

    @property
    def shares_layers(self) -> bool:
        """Whether layers form groups that share their weights."""
        return self.layers.count("*") > 1

    @property
    def default_pooling(self) -> str:
        """What the key for pooling means to say where a file leaves it out."""
        return "cls" if "cls" in self.poolings else list(self.poolings)[-1]

    def position_offset(self, pad_id: int) -> int:
        """The row of the position table that the first position of a sequence uses."""
        return pad_id + 1 if self.skips_padding_position else 0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What ``config.json`` says of a model, under one set of names.

    Attributes:
        model_type: Hugging Face's name: ``bert``, ``xlm-roberta`` ...
        family: The family that reads it; XLM-R and CamemBERT are RoBERTa.
        architecture: The class that was trained (``BertForTokenClassification``), if the file says so.
        embedding_size: Width of the embedding tables; ALBERT and ELECTRA project it to ``hidden_size``.
        activation: One of ``lexel.encoder.ops.ACTIVATIONS``.
        n_types: Rows of the table of sentence types; 0 if the family has none.
        max_positions: Pieces in the longest sequence the model takes, special ones included.
        position_offset: Position ``p`` of a sequence, from 0, uses row ``position_offset + p`` of the position table.
        n_groups: Groups of layers with their own weights; ALBERT shares, elsewhere each layer is a group.
        layers_per_group: Layers inside a group.
        labels: Names of the head's outputs in order; empty if the file gives none.
        problem_type: How a text classifier's outputs are meant, if the file says so.
        score_function: What turns a text classifier's outputs into scores, if the file says so: the name of a torch
            module (cross-encoders of sentence-transformers), or ``function_to_apply``.
        tie_word_embeddings: Whether a masked-language model's decoder is the table of embeddings.
        fill_size: What a masked-language model's decoder takes; elsewhere than in RemBERT that is ``embedding_size``.
        head_activation: The activation in heads whose names give none.
        pooling: What a plain text classifier looks at.
        position_type: How BERT's layers count positions: by a table of them (``absolute``), or by a table of distances
            (https://arxiv.org/abs/2009.13658) for queries, or for queries and keys.
        more: What the family's ``read_more`` gave.
    """

    model_type: str
    family: Family
    architecture: str | None
    vocab_size: int
    hidden_size: int
    embedding_size: int
    n_layers: int
    n_heads: int
    intermediate_size: int
    n_types: int
    activation: str
    layer_norm_eps: float
    max_positions: int
    position_offset: int
    pad_id: int
    n_groups: int
    layers_per_group: int
    labels: tuple[str, ...]
    problem_type: str | None
    score_function: str | None = None
    tie_word_embeddings: bool = True
    fill_size: int = 0
    head_activation: str = "gelu"
    pooling: Pooling = "first"
    position_type: PositionType = "absolute"
    more: object = None

    @property
    def fits_segments(self) -> bool:
        """Whether its attention can be computed by a kernel of variable length, which takes no bias."""
        return self.family.fits_segments and self.position_type == "absolute"

    @property
    def head_size(self) -> int:
        """Numbers of an attention head."""
        return self.hidden_size // self.n_heads
