"""``flax_model.msgpack`` and ``tf_model.h5`` of old checkpoints, written here as their libraries wrote them."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

import lexel
from lexel.checkpoint import old_formats
from lexel.checkpoint.convert import convert
from lexel.errors import MissingExtra, WeightError
from tests.builders import ENTITIES, build_tagger

Tensors = dict[str, NDArray[Any]]
TEXT = "he went to new york."


def packed(array: NDArray[Any]) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))


def chunked(array: NDArray[Any]) -> dict[str, Any]:
    """An array in chunks, as Flax packs what is too large for a message."""
    chunks = np.array_split(array.reshape(-1), 3)
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(i): size for i, size in enumerate(array.shape)},
        "chunks": {str(i): packed(part) for i, part in enumerate(chunks)},
    }


def flax_name(name: str, array: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    parent, _, last = name.rpartition(".")
    if last != "weight":
        return name, array
    if parent.endswith("_embeddings"):
        return f"{parent}.embedding", array
    return (f"{parent}.scale", array) if array.ndim == 1 else (f"{parent}.kernel", array.T)


def write_flax(tensors: Tensors, folder: Path) -> None:
    whole: dict[str, Any] = {}
    for name, array in tensors.items():
        path, values = flax_name(name, array)
        *parents, last = path.split(".")
        place = whole
        for parent in parents:
            place = place.setdefault(parent, {})
        values = np.ascontiguousarray(values)
        place[last] = chunked(values) if "word_embeddings" in name else packed(values)
    (folder / "flax_model.msgpack").write_bytes(msgpack.packb(whole, use_bin_type=True))


def tensorflow_name(name: str, array: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    parent, _, last = name.rpartition(".")
    path = parent.replace(".", "/").replace("layer/", "layer_._")
    if last == "weight" and array.ndim == 1:
        return f"{path}/gamma", array
    if "LayerNorm" in parent:
        return f"{path}/beta", array
    if parent.endswith("_embeddings"):
        return f"{path}/{'weight' if 'word' in parent else 'embeddings'}", array
    return (f"{path}/kernel", array.T) if last == "weight" else (f"{path}/{last}", array)


def write_tensorflow(tensors: Tensors, folder: Path) -> None:
    by_layer: dict[str, Tensors] = {}
    for name, array in tensors.items():
        path, values = tensorflow_name(name, array)
        by_layer.setdefault(name.split(".")[0], {})[f"tf_bert_for_token_classification/{path}:0"] = values
    with h5py.File(folder / "tf_model.h5", "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in by_layer]
        for layer, weights in by_layer.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, values in weights.items():
                group.create_dataset(name, data=values)


WRITERS: Mapping[str, Any] = {"flax_model.msgpack": write_flax, "tf_model.h5": write_tensorflow}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_tagger(tmp_path / "model", heads={"entities": ENTITIES})


def old(model: Path, name: str) -> Path:
    folder = shutil.copytree(model, model.parent / "old")
    WRITERS[name](load_file(folder / "model.safetensors"), folder)
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_every_tensor_gets_its_name_and_its_numbers_back(name: str, model: Path, tmp_path: Path) -> None:
    out = convert(old(model, name), tmp_path / "out")
    found, expected = (load_file(folder / "model.safetensors") for folder in (out, model))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert lexel.load(out)(TEXT).entities.texts == lexel.load(model)(TEXT).entities.texts


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_an_error_and_nothing_is_left(name: str, model: Path, tmp_path: Path) -> None:
    folder = old(model, name)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightError, match=f"{name}: not the "):
        convert(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "library"), [("flax_model.msgpack", "msgpack"), ("tf_model.h5", "h5py")])
def test_a_missing_library_is_named_with_the_extra(
    name: str, library: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, there = old(model, name), importlib.util.find_spec
    monkeypatch.setattr(old_formats, "find_spec", lambda one: None if one == library else there(one))
    with pytest.raises(MissingExtra, match=rf'reading {name} needs {library}: pip install "lexel\[convert\]"'):
        convert(folder, tmp_path / "out")


KERAS = {
    "tf_bert_for_masked_lm/mlm___cls/predictions/transform/dense/kernel:0": "cls.predictions.transform.dense.weight",
    "tf_bert_for_masked_lm/mlm___cls/predictions/bias:0": "cls.predictions.bias",
    "tf_bert_model/bert/encoder/layer_._11/output/LayerNorm/gamma:0": "bert.encoder.layer.11.output.LayerNorm.weight",
    "tf_roberta_model/roberta/embeddings/token_type_embeddings/embeddings:0": (
        "roberta.embeddings.token_type_embeddings.weight"
    ),
}


@pytest.mark.parametrize(("name", "expected"), KERAS.items())
def test_names_of_keras_become_those_of_pytorch(name: str, expected: str) -> None:
    assert old_formats._tensorflow_name(name)[0] == expected


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_be_read_is_said_plainly(
    name: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    folder = old(model, name)
    monkeypatch.setattr(old_formats, "open_regular", refuse)
    with pytest.raises(WeightError, match=rf"{name}: cannot be read \(Permission denied\); expected the "):
        convert(folder, tmp_path / "out")
