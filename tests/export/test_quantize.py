"""A quantised folder reads as before within what it says it costs, and is refused where it would not."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.data import read_jsonl
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.packing import build_rows, pack
from lexel.errors import CheckpointError, DataError, EngineError
from lexel.evaluation.cost.cost import Loss, described_quantised
from lexel.evaluation.cost.measure import flips_between, read_outputs
from lexel.export.calibration import sample_text
from lexel.export.quantize import QuantizeOptions, quantize
from lexel.provenance import chain_of, check_statement
from lexel.tasks.embed import Embedder
from tests.builders import build_plain, build_tagger, random_sequences

DATA = Path(__file__).parent.parent / "data"
TEXTS = [document.text for name in ("zh_gsd", "zh_gsdsimp") for document in read_jsonl(DATA / f"{name}.jsonl")][::4]
LOOSE = QuantizeOptions(max_drop=2.0)
KNOWN = ["we live in new york", "他們在臺北", "living in the new york of 2026"] * 9
SMALL = {"hidden_size": 64, "intermediate_size": 128}


@pytest.fixture(scope="module")
def gold():
    return list(read_jsonl(DATA / "zh_gsdsimp.jsonl"))[:120]


@pytest.fixture(scope="module")
def quantised(tmp_path_factory, gold):
    folder = tmp_path_factory.mktemp("int8") / "zh"
    return folder, quantize(open_checkpoint(), folder, calibration=TEXTS, gold=gold, options=LOOSE)


def test_a_quantised_folder_loads_like_any_other_and_auto_takes_int8(quantised):
    folder, _ = quantised
    tagger = lexel.load(folder)
    assert [flow.engine.precision for flow in tagger.flows] == ["int8"]
    assert [word.text for word in tagger("他在北京工作。").words][-1] == "。"


def test_what_went_in_is_written_down(quantised):
    folder, _ = quantised
    step = chain_of(folder)[0]
    assert (step["verb"], step["from"]) == ("quantize", ["zh"])
    assert step["data"]["calibration"] == hashlib.sha256("\n".join(TEXTS).encode()).hexdigest()
    assert check_statement(folder) is None


def test_decisions_come_out_otherwise_as_rarely_as_the_cost_says(quantised):
    folder, cost = quantised
    before, after = (lexel.load(source, precision=p).flows[0] for source, p in ((None, "float32"), (folder, "int8")))
    texts = [document.text for document in read_jsonl(DATA / "zh_hk.jsonl")][:100]
    flips = flips_between(read_outputs(before, texts), read_outputs(after, texts))
    assert max(flips.values()) < 15  # of a thousand, on text that neither was made with
    assert all(value < 15 for value in cost.loss.flips.values())


def test_the_cost_is_in_the_folder_and_the_scores_hold(quantised):
    folder, cost = quantised
    record = json.loads((folder / "lexel.json").read_text(encoding="utf-8"))["quantised"]
    assert record["cost"]["layers"]["words"]["after"]["value"] == cost.loss.layers["words"].after.value
    assert set(cost.loss.layers) == {"words", "pos", "entities"}
    assert cost.loss.layers["words"].after.value > 0.9
    assert cost.n_bytes < cost.n_bytes_before


@pytest.mark.parametrize("text", ["", " ", "\ud800", "[SEP]", "中" * 3000, "e\u0301👨‍👩‍👧 x\u200b"])
def test_any_text_is_tiled_by_its_words(quantised, text):
    folder, _ = quantised
    document = lexel.load(folder)(text)
    covered = "".join(word.text for word in document.words)
    assert covered == "".join(text.split())
    assert all(text[word.start : word.end] == word.text for word in document.words)


def test_the_last_layer_can_be_embedded_in_int8(quantised):
    folder, _ = quantised
    exact = Embedder.load(folder, precision="float32").encode(TEXTS[:5])
    fast = Embedder.load(folder, precision="int8").encode(TEXTS[:5])
    cosines = np.sum(exact * fast, axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    assert cosines.min() > 0.99


def test_auto_leaves_the_graph_alone_for_what_it_does_not_compute(quantised):
    assert (
        "bf16" in Embedder.load(quantised[0], layer=1).description
        or "float32" in Embedder.load(quantised[0], layer=1).description
    )


def test_a_layer_that_the_graph_lacks_is_refused(quantised):
    folder, _ = quantised
    with pytest.raises(EngineError, match=r"computes .*, not hidden\.1; use precision"):
        Embedder.load(folder, layer=1, precision="int8").encode(["中"])


@pytest.mark.parametrize("name", ["model.safetensors", "openvino-int8.bin"])
def test_other_weights_than_the_graphs_are_refused(quantised, tmp_path, name):
    folder = Path(shutil.copytree(quantised[0], tmp_path / "changed"))
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="is not the file that openvino-int8"):
        lexel.load(folder, precision="int8")


def test_a_folder_without_a_graph_says_how_to_make_one(tmp_path):
    folder = build_tagger(tmp_path / "plain", heads={"words": ("B", "I")})
    with pytest.raises(CheckpointError, match="has no int8 graph; expected what lexel quantize writes"):
        lexel.load(folder, precision="int8")


def test_more_than_the_allowed_loss_is_an_error_and_nothing_is_left(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(EngineError, match=r"int8 costs .* of 1,000 .* Nothing was written"):
        quantize(
            open_checkpoint(), out, calibration=TEXTS[:40], options=QuantizeOptions(max_flips=0.0, method="dynamic")
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory):
    """A tagger whose first layer gives one number a thousand times as large as the others: eight bits lose these."""
    folder = build_tagger(tmp_path_factory.mktemp("lopsided"), heads={"words": ("B", "I")}, config=SMALL)
    tensors = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.0.intermediate.dense"
    tensors[f"{name}.weight"][0] *= 100
    tensors[f"{name}.bias"][0] = 3000
    tensors["bert.encoder.layer.0.output.dense.weight"][:, 0] /= 1e4
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_products_to_which_decisions_are_sensitive_stay_in_full_precision(lopsided, tmp_path):
    checkpoint = open_checkpoint(lopsided)
    loose = quantize(checkpoint, tmp_path / "loose", calibration=KNOWN, options=QuantizeOptions(max_flips=1000))
    allowed = QuantizeOptions(max_flips=max(loose.loss.flips.values()) / 3)
    strict = quantize(checkpoint, tmp_path / "strict", calibration=KNOWN, options=allowed)
    kept = {name: open_checkpoint(tmp_path / name).quantised.record["kept"] for name in ("loose", "strict")}
    assert kept["loose"] == []
    assert 1 <= len(kept["strict"]) < 8
    assert max(strict.loss.flips.values()) <= allowed.max_flips


def test_text_without_calibration_can_have_its_weights_quantised(tmp_path):
    cost = quantize(
        open_checkpoint(), tmp_path / "out", calibration=TEXTS[:40], options=QuantizeOptions(method="dynamic")
    )
    assert cost.loss.flips["words"] < 30
    assert lexel.load(tmp_path / "out").flows[0].engine.precision == "int8"


def test_a_plain_folder_gets_a_description(tmp_path):
    folder = build_tagger(tmp_path / "plain", heads={"words": ("B", "I")})
    quantize(open_checkpoint(folder), tmp_path / "out", calibration=KNOWN, options=QuantizeOptions(max_flips=1000))
    assert list(open_checkpoint(tmp_path / "out").heads) == ["words"]


@pytest.mark.parametrize(("texts", "said"), [([], "the text is empty"), (["Съешь ещё"] * 9, "unknown to the model")])
def test_calibration_text_that_says_nothing_is_refused(tmp_path, texts, said):
    folder = build_tagger(tmp_path / "model", heads={"words": ("B", "I")}, pieces="chars")
    with pytest.raises(DataError, match=said):
        quantize(open_checkpoint(folder), tmp_path / "out", calibration=texts)


@pytest.fixture
def thai(tmp_path):
    """A model of a script that the bundled sample has not."""
    vocab = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"กขคงจฉชซญดตถทนบปผพฟภมยรลวสหอะาิีุูเแโใไ่้")
    config = {"vocab_size": len(vocab)}
    return build_tagger(tmp_path / "thai", heads={"words": ("B", "I")}, pieces="chars", vocab=vocab, config=config)


def test_where_the_sample_has_no_text_that_the_model_reads_it_says_what_to_give(thai, tmp_path):
    with pytest.raises(DataError, match=r"reads no script of the bundled sample; .* --calibration, .* --dynamic"):
        quantize(open_checkpoint(thai), tmp_path / "out")


def test_dynamic_needs_no_text_at_all(thai, tmp_path):
    cost = quantize(open_checkpoint(thai), tmp_path / "out", options=QuantizeOptions(method="dynamic"))
    assert (cost.loss, cost.chars_per_second) == (Loss(), 0.0)
    assert any(line.startswith("the cost is unknown: ") for line in described_quantised(cost))
    assert lexel.load(tmp_path / "out").flows[0].engine.precision == "int8"


def test_of_the_sample_only_what_the_model_reads_is_taken(tmp_path):
    folder = build_tagger(tmp_path / "latin", heads={"words": ("B", "I")})  # of all scripts it knows Latin letters best
    quantize(open_checkpoint(folder), tmp_path / "out", options=QuantizeOptions(max_flips=1000))
    calibration = open_checkpoint(tmp_path / "out").quantised.record["calibration"]
    assert 20 < calibration["texts"] < len(sample_text())


def test_places_that_are_read_otherwise_are_counted_by_words_and_shown(quantised):
    folder, cost = quantised
    record = json.loads((folder / "lexel.json").read_text(encoding="utf-8"))["quantised"]["cost"]
    assert set(cost.loss.changed) == {"words", "pos", "entities"}
    assert 0 < sum(cost.loss.changed.values()) < 15
    assert all(flip.first != flip.second for flip in cost.loss.examples)
    assert [flip["second"] for flip in record["examples"]] == [flip.second for flip in cost.loss.examples]
    assert all(layer.change.low <= layer.change.value <= layer.change.high for layer in cost.loss.layers.values())
    assert record["tolerance"].keys() == {"words", "pos", "entities"}


@pytest.mark.parametrize("task", ["classify", "fill", "answer"])
def test_heads_of_every_task_are_quantised(tmp_path, task):
    folder = build_plain(tmp_path / "model", task)
    quantize(open_checkpoint(folder), tmp_path / "out", calibration=KNOWN, options=QuantizeOptions(max_flips=1000))
    made = open_checkpoint(tmp_path / "out")
    assert made.quantised.outputs == (task, "hidden.3")
    rows, _ = build_rows(random_sequences([30]), pack(np.array([30]), max_length=64, batch_pieces=64)[0], pad=0)
    exact, fast = (
        next(iter(start_engine(made, EngineOptions(precision=precision)).run([rows], [task])))[task]
        for precision in ("float32", "int8")
    )
    assert 0 < np.abs(exact - fast).max() < 0.2 * max(1.0, np.abs(exact).max())


def test_a_quantised_folder_is_quantised_anew_from_its_weights(quantised, tmp_path):
    cost = quantize(open_checkpoint(quantised[0]), tmp_path / "out", calibration=TEXTS)
    assert cost.loss.flips == pytest.approx(quantised[1].loss.flips, abs=3)
    assert cost.n_bytes_before == quantised[1].n_bytes_before


def test_a_sample_in_several_languages_is_there_for_those_who_have_no_text():
    sample = sample_text()
    assert len(sample) > 300
    assert all(text.strip() for text in sample)
