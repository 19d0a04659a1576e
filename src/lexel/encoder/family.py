"""Describes a family of encoders in one record, which all other modules use.

A family is one file under ``lexel.encoder.families``: its record, and the function that builds its encoder. Config
reading, head detection, framing of text pairs, training, saving and cards all use the record.
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
"""The input of a text classifier: the first piece, the mean of all, or all pieces, whose scores are averaged."""


class Weights(Protocol):
    """The tensors of a checkpoint under a prefix; ``lexel.checkpoint.weights.Weights`` is one."""

    def at(self, prefix: str) -> Weights:
        """The tensors under ``prefix.``."""
        ...

    def base(self, prefix: str) -> Weights:
        """Those under ``prefix.`` if there are any, else all."""
        ...

    def has(self, name: str) -> bool:
        """Whether the tensor exists."""
        ...

    def full_name(self, name: str) -> str:
        """A name with the prefix."""
        ...

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """A tensor by its name; its shape must be the given one."""
        ...


class Build(Protocol):
    """Builds a family's encoder from a checkpoint's tensors."""

    def __call__(self, ops: Ops[Any], config: ModelConfig, weights: Weights) -> Encoder[Any]: ...


@dataclass(frozen=True, slots=True)
class ModelType:
    """One of Hugging Face's ``model_type`` values.

    Attributes:
        name: The usual name of these models: ``XLM-RoBERTa``.
        classes: The prefix of transformers' class names: ``XLMRoberta``.
    """

    name: str
    classes: str


@dataclass(frozen=True, slots=True)
class EmbeddingNames:
    """A family's names of its tables, under the encoder's prefix; ``None`` for those that it does not have.

    Attributes:
        pieces: The table of pieces.
        positions: The table of positions.
        types: The table of sentence types.
        norm: The normalisation of their sum.
        project: The map from the tables' width to the encoder's.
        always_projects: Whether that map exists even if the widths are equal.
    """

    pieces: str
    positions: str | None
    types: str | None
    norm: str | None
    project: str | None = None
    always_projects: bool = False


@dataclass(frozen=True, slots=True)
class LayerNames:
    """A family's names of the parts of an encoder layer.

    Attributes:
        norm_first: Whether norms come before the attention and the feed-forward part, not after their sums.
        distances: The table of distances of a model with relative positions, if the family may have one.
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
    """Names of the parts of a head for labels, or for starts and ends of answers.

    Attributes:
        dense: The first of two maps; ``None`` if there is only one.
        output: The map to the outputs.
        activation: Between the maps; ``None`` means the config's activation for heads.
        norm: After the activation, if there is one.
        dense_bias: The config's key for whether the first map has a bias; ``None``: it always has one.
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
    """Names of the parts of a masked-language model's head.

    Attributes:
        prefix: The prefix of the head; some have parts under sibling names.
        dense: The first map; ``None`` if there is only the decoder.
        norm: The normalisation after its activation.
        decoder: The map to the vocabulary; without its own weight it is the table of embeddings.
        bias: The name of the decoder's bias, if it is not under the decoder's own name.
        activation: ``None`` means the encoder's.
        is_like_heads: Whether ``None`` means the config's activation for heads instead.
        dense_bias: The config's key for whether the first map has a bias; ``None``: it always has one.
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
        name: Its name in messages.
        model_types: The values of ``model_type`` that it reads.
        build: Builds its encoder.
        required: Required values of its ``config.json``: the fields of ``ModelConfig``, and the file's keys.
        optional: Values that the file may omit.
        defaults: The values of omitted keys: the family's own definition, as in transformers.
        read_more: Reads the values that only this family's file has; the result becomes ``ModelConfig.more``.
        prefix: The prefix of the encoder's tensors in a task model.
        embeddings: Names of its tables.
        layers: The names of the layers with their own weights, under the prefix; ``*`` is a number.
        layer: Names of the parts of a layer.
        last_norm: The normalisation after the last layer, if there is one.
        fill: Names of its masked-language-model head in a plain folder.
        original_fill: Names of that head in checkpoints older than transformers' own form, if the family has such.
        build_mask_decoder: Builds the part between the encoder and that head, if the checkpoint has one.
        classify: Names of its text classifier in a plain folder.
        tagging: Names of its classifier of pieces in a plain folder.
        answer: Names of its head for answers in a plain folder.
        pooling: The config's key for the input of a text classifier; ``None``: always the first piece.
        poolings: The meaning of that key's values; the default is the last, or ``cls`` if it exists.
        missing_heads: Endings of architectures whose head Lexel does not support, with the purpose of the head.
        unused: Patterns of tensors that may be unused, with the reason.
        skips_padding_position: The first rows of its position table, up to the padding piece's, are never used.
        pair_type_id: Type of the second text of a pair, which overrides the tokenizer's file; ``None``: use the file's.
        doubles_separator: Whether there are two separators between the texts of a pair, if no file says so.
        splits_words: Whether its tokenizer splits Chinese text into words before it splits words into pieces.
        fits_segments: Whether its attention can be computed by a variable-length kernel, which supports no bias.
        has_pooler: Whether transformers' encoder takes ``add_pooling_layer``.
        mask_maker: A method of transformers' encoder that makes the attention mask (true where a piece is visible), for
            families whose classes do not accept a mask; training replaces it.
            window: The config's key for the width of the local attention window of some layers, if there is one.
            masks: The masks that transformers' encoder accepts by name, with whether each is limited to the window;
            empty if it takes one mask for all layers. Training needs them if there is a window.
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
        """The pooling if a file omits the key."""
        return "cls" if "cls" in self.poolings else list(self.poolings)[-1]

    def position_offset(self, pad_id: int) -> int:
        """The row of the position table that the first position of a sequence uses."""
        return pad_id + 1 if self.skips_padding_position else 0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The contents of ``config.json``, under uniform names.

    Attributes:
        model_type: Hugging Face's name: ``bert``, ``xlm-roberta`` ...
        family: The family that reads it; XLM-R and CamemBERT are RoBERTa.
        architecture: The trained class (``BertForTokenClassification``), if the file names it.
        embedding_size: Width of the embedding tables; ALBERT and ELECTRA project it to ``hidden_size``.
        activation: One of ``lexel.encoder.ops.ACTIVATIONS``.
        n_types: Rows of the table of sentence types; 0 if the family has none.
        max_positions: Maximum number of pieces in a sequence, including special ones.
        position_offset: Position ``p`` of a sequence, from 0, uses row ``position_offset + p`` of the position table.
        n_groups: Groups of layers with their own weights; each layer is a group, except in ALBERT.
        layers_per_group: Layers inside a group.
        labels: Names of the head's outputs in order; empty if the file gives none.
        problem_type: The meaning of a text classifier's outputs, if the file gives it.
            score_function: The function from a text classifier's outputs to scores, if the file gives it: the name of a
            torch module (cross-encoders of sentence-transformers), or ``function_to_apply``.
        tie_word_embeddings: Whether a masked-language model's decoder is the table of embeddings.
        fill_size: Input size of a masked-language model's decoder; except in RemBERT, it is ``embedding_size``.
        head_activation: The activation in heads whose names do not specify one.
        pooling: The input of a plain text classifier.
        position_type: How BERT's layers encode positions: by a table of them (``absolute``), or by a table of distances
            (https://arxiv.org/abs/2009.13658) for queries, or for queries and keys.
        more: The result of the family's ``read_more``.
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
        """Whether its attention can be computed by a variable-length kernel, which supports no bias."""
        return self.family.fits_segments and self.position_type == "absolute"

    @property
    def head_size(self) -> int:
        """Size of an attention head."""
        return self.hidden_size // self.n_heads
