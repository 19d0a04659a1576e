"""What is wrong with a folder is said in one clear line, through the public door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lexel
from lexel.errors import CheckpointError, LabelError, LexelError, WeightError
from tests.builders import ENTITIES, POS, VOCAB, WORDS, build_tagger, write_json, write_vocab


def good(folder: Path) -> Path:
    return build_tagger(folder, heads={"entities": ENTITIES})


def change_config(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "config.json").read_text("utf-8"))
    write_json(
        folder / "config.json", {key: value for key, value in {**values, **changes}.items() if value is not None}
    )


def change_tensors(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def fewer_labels(folder: Path) -> None:
    change_config(folder, id2label={str(i): label for i, label in enumerate(ENTITIES[:3])})


def labels_without_names(folder: Path) -> None:
    change_config(folder, id2label={str(i): f"LABEL_{i}" for i in range(5)})


def larger_tokenizer(folder: Path) -> None:
    write_vocab(folder, [*VOCAB, *(f"extra{i}" for i in range(7))])


def no_tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").unlink()


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def header_beyond_the_file(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes((10**9).to_bytes(8, "little") + path.read_bytes()[8:])


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def a_layer_missing(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop("bert.encoder.layer.1.attention.self.query.weight"))


def a_tensor_of_another_shape(folder: Path) -> None:
    name = "bert.encoder.layer.0.output.dense.weight"
    change_tensors(folder, lambda tensors: tensors.update({name: np.zeros((16, 31), np.float32)}))


def a_layer_too_many(folder: Path) -> None:
    change_config(folder, num_hidden_layers=1)


def no_head(folder: Path) -> None:
    change_tensors(folder, lambda tensors: [tensors.pop(f"classifier.{name}") for name in ("weight", "bias")])


def bare_encoder(folder: Path) -> None:
    no_head(folder)
    change_config(folder, architectures=["BertModel"], id2label=None)


def unknown_type(folder: Path) -> None:
    change_config(folder, model_type="luke")


def unknown_activation(folder: Path) -> None:
    change_config(folder, hidden_act="mish")


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert",', encoding="utf-8")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_room(folder: Path) -> None:
    write_vocab(folder, VOCAB, max_length=2)


CASES: dict[Callable[[Path], None], tuple[type[LexelError], str]] = {
    fewer_labels: (WeightError, r"tensor 'classifier.weight' has shape \(5, 16\), the config needs \(3, 16\)"),
    labels_without_names: (LabelError, r"LABEL_0.*--labels"),
    larger_tokenizer: (CheckpointError, rf"the tokenizer has {len(VOCAB) + 7} pieces, the embedding {len(VOCAB)};"),
    no_tokenizer: (CheckpointError, r"tokenizer\.json"),
    cut_off: (WeightError, r"model\.safetensors: tensor .* the file is cut off"),
    header_beyond_the_file: (WeightError, r"model\.safetensors: the header claims 1000000000 bytes, the file has"),
    empty_weights: (WeightError, r"model\.safetensors"),
    no_weights: (WeightError, r"no model\.safetensors and no pytorch_model\.bin"),
    a_layer_missing: (WeightError, r"no tensor 'bert\.encoder\.layer\.1\.attention\.self\.query\.weight'"),
    a_tensor_of_another_shape: (WeightError, r"layer\.0\.output\.dense\.weight' has shape \(16, 31\), .* \(16, 32\)"),
    a_layer_too_many: (WeightError, r"tensors belong to no part .*bert\.encoder\.layer\.1\.attention"),
    no_head: (WeightError, r"no tensor 'classifier\.weight'; the folder holds a bare encoder"),
    bare_encoder: (LabelError, r"no head gives words, pos or entities; it holds a bare encoder"),
    unknown_type: (CheckpointError, r"'luke' is not a supported model_type \(albert, bert,"),
    unknown_activation: (CheckpointError, r"hidden_act is 'mish'; expected one of gelu"),
    broken_config: (CheckpointError, r"config\.json"),
    no_config: (CheckpointError, r"config\.json"),
    no_room: (CheckpointError, r"sequences of 2 leave no room beside the special pieces"),
}


@pytest.mark.parametrize("spoil", CASES, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("engine", ["openvino", "numpy"])
def test_a_spoilt_folder_is_answered_with_one_clear_line(
    tmp_path: Path, spoil: Callable[[Path], None], engine: str
) -> None:
    folder = good(tmp_path / "model")
    spoil(folder)
    error, message = CASES[spoil]
    with pytest.raises(error, match=message) as caught:
        lexel.load(folder, engine=engine)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value) or "model.safetensors" in str(caught.value)


def test_the_folder_that_the_cases_spoil_is_good(tmp_path: Path) -> None:
    assert lexel.load(good(tmp_path), precision="float32")("天下").text == "天下"


def test_joint_labels_must_fit_their_head(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS, "pos": POS}, pieces="chars")
    values = json.loads((folder / "lexel.json").read_text("utf-8"))
    values["heads"]["pos"]["labels"].append("Nb")
    write_json(folder / "lexel.json", values)
    with pytest.raises(WeightError, match=r"'heads\.pos\.weight' has shape \(4, 16\), .* \(5, 16\).*lexel\.json"):
        lexel.load(folder)


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        lexel.load(tmp_path / "nowhere")


def test_labels_given_by_the_caller_name_a_nameless_head(tmp_path: Path) -> None:
    folder = good(tmp_path)
    labels_without_names(folder)
    assert "entities" in lexel.load(folder, labels=ENTITIES, precision="float32")("天下").layers
