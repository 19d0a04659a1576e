"""``config.json`` as one frozen config."""

from __future__ import annotations

import pytest
import transformers

from lexel.checkpoint.config import read_config
from lexel.encoder.families import BY_MODEL_TYPE
from lexel.errors import CheckpointError, LabelError
from lexel.training.model.nezha import NezhaConfig

from .conftest import FolderBuilder

TRANSFORMERS = {
    "bert": transformers.BertConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
    "camembert": transformers.CamembertConfig,
    "albert": transformers.AlbertConfig,
    "electra": transformers.ElectraConfig,
    "distilbert": transformers.DistilBertConfig,
    "ernie": transformers.ErnieConfig,
    "data2vec-text": transformers.Data2VecTextConfig,
    "roberta-prelayernorm": transformers.RobertaPreLayerNormConfig,
    "xlm-roberta-xl": transformers.XLMRobertaXLConfig,
    "megatron-bert": transformers.MegatronBertConfig,
    "rembert": transformers.RemBertConfig,
    "modernbert": transformers.ModernBertConfig,
    "deberta-v2": transformers.DebertaV2Config,
    "gte": transformers.GteConfig,
    "nomic_bert": transformers.NomicBertConfig,
    "jina_embeddings_v3": transformers.JinaEmbeddingsV3Config,
    "mpnet": transformers.MPNetConfig,
    "nezha": NezhaConfig,
    "roformer": transformers.RoFormerConfig,
    "eurobert": transformers.EuroBertConfig,
}


def test_every_known_model_type_has_a_case() -> None:
    assert TRANSFORMERS.keys() == BY_MODEL_TYPE.keys()


@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test_config_saved_by_transformers_is_read_as_transformers_reads_it(model_type, tmp_path) -> None:
    theirs = TRANSFORMERS[model_type](num_labels=3)
    theirs.save_pretrained(tmp_path)
    ours = read_config(tmp_path)
    assert (ours.vocab_size, ours.hidden_size) == (theirs.vocab_size, theirs.hidden_size)
    assert (ours.n_layers, ours.n_heads) == (theirs.num_hidden_layers, theirs.num_attention_heads)
    narrow = getattr(theirs, "embedding_size", getattr(theirs, "input_embedding_size", theirs.hidden_size))
    assert ours.embedding_size == narrow
    assert ours.intermediate_size == getattr(theirs, "hidden_dim", getattr(theirs, "intermediate_size", None))
    assert ours.n_types == getattr(theirs, "type_vocab_size", 0)
    eps = next(
        (e for name in ("layer_norm_eps", "norm_eps", "rms_norm_eps") if (e := getattr(theirs, name, None))), 1e-12
    )
    assert ours.layer_norm_eps == eps
    assert ours.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_roberta_positions_begin_after_the_padding_row(tmp_path) -> None:
    transformers.XLMRobertaConfig(max_position_embeddings=514).save_pretrained(tmp_path)
    config = read_config(tmp_path)
    assert (config.max_positions, config.position_offset) == (512, 2)


def test_bert_positions_begin_at_zero(build_folder: FolderBuilder) -> None:
    config = read_config(build_folder())
    assert (config.max_positions, config.position_offset) == (32, 0)


def test_albert_says_how_its_layers_share_weights(tmp_path) -> None:
    transformers.AlbertConfig(num_hidden_layers=6, num_hidden_groups=2, inner_group_num=3).save_pretrained(tmp_path)
    config = read_config(tmp_path)
    assert (config.n_layers, config.n_groups, config.layers_per_group) == (6, 2, 3)


def test_layers_of_other_families_are_groups_of_their_own(build_folder: FolderBuilder) -> None:
    config = read_config(build_folder())
    assert (config.n_groups, config.layers_per_group) == (2, 1)


def test_labels_are_in_order_of_number_not_of_the_file(build_folder: FolderBuilder) -> None:
    names = {str(i): f"B-{i}" for i in range(11)}
    folder = build_folder({"id2label": dict(sorted(names.items()))})
    assert read_config(folder).labels == tuple(f"B-{i}" for i in range(11))


def test_config_without_labels_has_none(build_folder: FolderBuilder) -> None:
    assert read_config(build_folder({"id2label": None})).labels == ()


def test_number_of_labels_alone_gives_the_names_transformers_makes_up(build_folder: FolderBuilder) -> None:
    assert read_config(build_folder({"id2label": None, "num_labels": 3})).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize("names", [{"0": "B", "2": "I"}, {"1": "B", "2": "I"}, {"0": "B", "x": "I"}, {"00": "B"}])
def test_labels_with_a_gap_are_refused(build_folder: FolderBuilder, names: dict[str, str]) -> None:
    with pytest.raises(LabelError, match=r"config\.json: id2label has \d names but is not numbered 0 to"):
        read_config(build_folder({"id2label": names}))


def test_labels_that_are_not_names_are_refused(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match="id2label is not an object of names"):
        read_config(build_folder({"id2label": ["B", "I"]}))


@pytest.mark.parametrize(
    ("architecture", "model_type"),
    [
        ("BertForMaskedLM", "bert"),
        ("XLMRobertaModel", "xlm-roberta"),
        ("DistilBertForTokenClassification", "distilbert"),
    ],
)
def test_missing_model_type_is_inferred_from_the_architecture(build_folder, architecture, model_type) -> None:
    small = {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "activation": "gelu"}
    folder = build_folder({"model_type": None, "architectures": [architecture], **small})
    assert read_config(folder).model_type == model_type


@pytest.mark.parametrize("architectures", [None, [], ["MobileBertModel"], ["LukeForMaskedLM"], "BertModel"])
def test_model_type_that_nothing_tells_is_refused(build_folder: FolderBuilder, architectures: object) -> None:
    with pytest.raises(CheckpointError, match=r"no model_type.*albert, bert, camembert"):
        read_config(build_folder({"model_type": None, "architectures": architectures}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "luke"}, r"'luke' is not a supported model_type \(albert, bert"),
        ({"model_type": 3}, "3 is not a supported model_type"),
        ({"position_embedding_type": "rotary"}, "position_embedding_type is 'rotary'"),
        ({"is_decoder": True}, "is_decoder is set"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads is set"),
        ({"hidden_act": "mish"}, "hidden_act is 'mish'; expected one of gelu"),
        ({"hidden_size": None}, "no hidden_size"),
        ({"hidden_size": None, "vocab_size": None}, "no vocab_size, hidden_size"),
        ({"hidden_size": 9}, "hidden_size 9 is not a multiple of num_attention_heads 2"),
        ({"hidden_size": "8"}, "hidden_size is '8'; expected a whole number from 1 to"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps is '1e-12'"),
        ({"pad_token_id": 11}, "pad_token_id 11 is outside the vocabulary of 11"),
        ({"model_type": "roberta", "pad_token_id": 1, "max_position_embeddings": 2}, "leaves no position"),
        ({"problem_type": 1}, "problem_type is 1"),
    ],
)
def test_model_that_is_not_computed_is_refused_by_value(build_folder, change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_config(build_folder(change))


def test_another_name_of_the_same_activation_is_understood(build_folder: FolderBuilder) -> None:
    assert read_config(build_folder({"hidden_act": "swish"})).activation == "silu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "a": 1,\n}', r"config\.json:3: not JSON"),
        ("[1]", "holds a list; expected one JSON object"),
        ('{"a": 1, "a": 2}', "the name 'a' appears twice"),
        ("[" * 100_000, "nested more than 64 deep"),
    ],
)
def test_malformed_json_is_refused_with_its_place(build_folder: FolderBuilder, text: str, message: str) -> None:
    folder = build_folder()
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_config(folder)


def test_config_that_is_not_utf8_is_refused(build_folder: FolderBuilder) -> None:
    folder = build_folder()
    (folder / "config.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CheckpointError, match="byte 7 is not UTF-8"):
        read_config(folder)
