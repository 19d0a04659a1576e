"""Weights asked for by name and shape, from safetensors files whole and damaged."""

from __future__ import annotations

import gc
import json
import mmap
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lexel.checkpoint.tensors import DTYPES
from lexel.checkpoint.weights import HARMLESS, map_safetensors, open_weights
from lexel.encoder.families import FAMILIES, family_of
from lexel.errors import WeightError

from .conftest import outcome_of


def write(path: Path, header: dict[str, Any] | bytes, data: bytes = b"", *, length: int | None = None) -> Path:
    """Write a safetensors file by hand, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BERT task model's folder with two tensors in it."""
    tensors = {"bert.embeddings.LayerNorm.gamma": torch.ones(4), "classifier.weight": torch.arange(8.0).reshape(2, 4)}
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    ],
)
def test_tensor_is_what_the_safetensors_library_wrote(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.randint(0, 2, (3, 4)).to(dtype)
    save_file({"x": tensor}, tmp_path / "model.safetensors")
    read = open_weights(tmp_path).tensor("x", (3, 4))
    assert read.dtype == tensor.numpy().dtype
    np.testing.assert_array_equal(read, tensor.numpy())


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    tensor = torch.randn(5, 7).bfloat16()
    save_file({"x": tensor}, tmp_path / "model.safetensors")
    read = open_weights(tmp_path).tensor("x", (5, 7))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, tensor.float().numpy())


def test_scalar_and_empty_tensors_are_read(tmp_path: Path) -> None:
    save_file({"one": torch.tensor(2.5), "none": torch.zeros(0, 3)}, tmp_path / "model.safetensors")
    weights = open_weights(tmp_path)
    assert weights.tensor("one", ()) == 2.5
    assert weights.tensor("none", (0, 3)).shape == (0, 3)


def test_tensor_is_a_view_of_the_file_not_a_copy(folder: Path) -> None:
    weights = open_weights(folder)
    one, other = (weights.tensor("classifier.weight", (2, 4)) for _ in range(2))
    assert np.shares_memory(one, other)
    assert one.flags.writeable


def test_array_outlives_everything_it_was_read_through(folder: Path) -> None:
    read = open_weights(folder).tensor("classifier.weight", (2, 4))
    gc.collect()
    np.testing.assert_array_equal(read, np.arange(8.0).reshape(2, 4))


def test_writing_to_an_array_leaves_the_file_as_it_is(folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    read = open_weights(folder).tensor("classifier.weight", (2, 4))
    read[:] = -1
    assert (folder / "model.safetensors").read_bytes() == before
    assert open_weights(folder).tensor("classifier.weight", (2, 4))[0, 1] == 1


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system cannot be told")
def test_released_memory_is_read_from_the_file_again(tmp_path: Path) -> None:
    values = np.arange(4_000_000, dtype=np.float32)
    save_file({"values": torch.from_numpy(values.copy())}, tmp_path / "model.safetensors")
    weights = open_weights(tmp_path)
    array = weights.tensor("values", values.shape)
    assert array.sum() == values.sum()
    full = _resident_bytes()
    weights.release()
    assert full - _resident_bytes() > values.nbytes // 2
    assert np.array_equal(array, values)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE


def test_tensor_at_an_odd_offset_is_copied_to_an_aligned_one(tmp_path: Path) -> None:
    values = np.arange(3, dtype=np.float32)
    header = {"flag": entry("U8", [1], 0, 1), "x": entry("F32", [3], 1, 13)}
    path = write(tmp_path / "model.safetensors", header, b"\1" + values.tobytes())
    assert (8 + len(json.dumps(header)) + 1) % 4
    assert not map_safetensors(path)["x"].values.flags.aligned
    read = open_weights(tmp_path).tensor("x", (3,))
    assert read.flags.aligned
    np.testing.assert_array_equal(read, values)


def test_missing_tensor_is_named_with_the_nearest_one(folder: Path) -> None:
    with pytest.raises(
        WeightError, match=r"no tensor 'classifier\.weights' among 2, the nearest is 'classifier\.weight'"
    ):
        open_weights(folder).tensor("classifier.weights", (2, 4))


def test_missing_head_is_said_to_be_a_bare_encoder(folder: Path) -> None:
    weights = open_weights(folder, heads={"classifier": "config.json"})
    with pytest.raises(WeightError, match=r"no tensor 'classifier\.bias'; the folder holds a bare encoder"):
        weights.linear("classifier", (2, 4))


def test_misshapen_tensor_is_named_with_both_shapes(folder: Path) -> None:
    message = r"model\.safetensors: tensor 'classifier\.weight' has shape \(2, 4\), the config needs \(3, 4\)"
    with pytest.raises(WeightError, match=message):
        open_weights(folder).tensor("classifier.weight", (3, 4))


def test_misshapen_head_says_where_the_label_count_came_from(folder: Path) -> None:
    weights = open_weights(folder, heads={"classifier": "config.json"})
    with pytest.raises(WeightError, match=r"the config needs \(3, 4\)\. The label count came from config\.json"):
        weights.tensor("classifier.weight", (3, 4))


def test_old_names_of_layer_norm_are_understood(folder: Path) -> None:
    norm = open_weights(folder).at("bert.embeddings.LayerNorm")
    assert norm.has("weight")
    assert norm.tensor("weight", (4,)).tolist() == [1, 1, 1, 1]


def test_linear_gives_weight_and_bias(tmp_path: Path) -> None:
    save_file({"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}, tmp_path / "model.safetensors")
    weight, bias = open_weights(tmp_path).linear("a", (2, 3))
    assert (weight.shape, bias.shape) == ((2, 3), (2,))


def test_base_is_the_prefix_in_a_task_model(folder: Path) -> None:
    assert open_weights(folder).base("bert").names == ("embeddings.LayerNorm.gamma",)


def test_base_is_the_root_in_a_bare_encoder(tmp_path: Path) -> None:
    save_file({"embeddings.LayerNorm.weight": torch.ones(4)}, tmp_path / "model.safetensors")
    assert open_weights(tmp_path).base("bert").names == ("embeddings.LayerNorm.weight",)


def test_names_are_without_the_prefix(folder: Path) -> None:
    assert open_weights(folder).at("bert").at("embeddings").names == ("LayerNorm.gamma",)


def test_tensor_that_nobody_asked_for_is_an_error_by_name(folder: Path) -> None:
    weights = open_weights(folder)
    weights.at("bert").layer_norm  # noqa: B018  # looking is not asking
    weights.tensor("classifier.weight", (2, 4))
    with pytest.raises(WeightError, match=r"1 tensors belong to no part .*: bert\.embeddings\.LayerNorm\.gamma"):
        weights.check_used()


def test_tensors_asked_for_through_a_view_count_as_used(folder: Path) -> None:
    weights = open_weights(folder)
    weights.tensor("classifier.weight", (2, 4))
    weights.at("bert.embeddings").tensor("LayerNorm.weight", (4,))
    weights.check_used()


@pytest.mark.parametrize(
    "name",
    [
        "bert.embeddings.position_ids",
        "embeddings.position_ids",
        "roberta.embeddings.token_type_ids",
        "bert.pooler.dense.weight",
        "pooler.dense.bias",
        "qa_outputs.weight",
    ],
)
def test_harmless_tensor_may_go_unused(tmp_path: Path, name: str) -> None:
    save_file({name: torch.zeros(1)}, tmp_path / "model.safetensors")
    open_weights(tmp_path).check_used()


@pytest.mark.parametrize("name", ["classifier.weight", "bert.encoder.layer.12.output.dense.bias", "crf.transitions"])
def test_other_tensors_may_not_go_unused(tmp_path: Path, name: str) -> None:
    save_file({name: torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightError, match=name):
        open_weights(tmp_path).check_used()


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("bert", "cls.predictions.decoder.weight"),
        ("bert", "cls.seq_relationship.bias"),
        ("xlm-roberta", "lm_head.dense.weight"),
        ("albert", "predictions.bias"),
        ("albert", "sop_classifier.classifier.weight"),
        ("electra", "discriminator_predictions.dense.bias"),
        ("electra", "generator_lm_head.weight"),
        ("distilbert", "vocab_projector.bias"),
    ],
)
def test_pre_training_heads_of_a_family_may_go_unused(tmp_path: Path, family: str, name: str) -> None:
    save_file({name: torch.zeros(1)}, tmp_path / "model.safetensors")
    open_weights(tmp_path).check_used(pattern for pattern, _ in family_of(family).unused)


def test_caller_can_name_more_harmless_tensors(tmp_path: Path) -> None:
    save_file({"heads.pos.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    open_weights(tmp_path).check_used(harmless=["heads.pos.*"])


def test_every_harmless_pattern_has_a_reason() -> None:
    assert all(reason for _, reason in (*HARMLESS, *chain.from_iterable(family.unused for family in FAMILIES)))


def test_dtype_is_that_of_most_numbers(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(9).half(), "b": torch.zeros(2), "c": torch.zeros(99).long()}
    save_file(tensors, tmp_path / "model.safetensors")
    assert open_weights(tmp_path).dtype == "float16"


def test_files_of_other_frameworks_are_ignored(folder: Path) -> None:
    for name in ("tf_model.h5", "flax_model.msgpack", "rust_model.ot", "pytorch_model.bin"):
        (folder / name).write_bytes(b"not for us")
    assert len(open_weights(folder).names) == 2


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match=r"no model\.safetensors and no pytorch_model\.bin"):
        open_weights(tmp_path)


# Shards --------------------------------------------------------------------------------------------------------------


def write_shards(folder: Path, weight_map: dict[str, Any]) -> None:
    save_file({"a": torch.ones(2)}, folder / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(3)}, folder / "model-00002-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


GOOD_MAP = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}


def test_shards_are_read_through_their_index(tmp_path: Path) -> None:
    write_shards(tmp_path, GOOD_MAP)
    assert open_weights(tmp_path).names == ("a", "b")


@pytest.mark.parametrize("shard", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "c:x", "..", "", 3, "a\\b"])
def test_shard_outside_the_folder_is_refused(tmp_path: Path, shard: object) -> None:
    write_shards(tmp_path, {**GOOD_MAP, "b": shard})
    with pytest.raises(WeightError, match="expected the plain name of a file in the folder"):
        open_weights(tmp_path)


def test_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, {**GOOD_MAP, "c": "model-00003.safetensors"})
    with pytest.raises(WeightError, match=r"model-00003\.safetensors: no such file"):
        open_weights(tmp_path)


def test_tensor_missing_from_its_shard_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, {**GOOD_MAP, "c": "model-00001-of-00002.safetensors"})
    with pytest.raises(WeightError, match=r"tensor 'c' is not in 'model-00001-of-00002\.safetensors'"):
        open_weights(tmp_path)


def test_tensor_in_another_shard_than_its_index_says_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, {**GOOD_MAP, "a": GOOD_MAP["b"], "b": GOOD_MAP["a"]})
    with pytest.raises(WeightError, match=r"tensor 'a' is not in 'model-00002-of-00002\.safetensors'"):
        open_weights(tmp_path)


def test_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, GOOD_MAP)
    save_file({"a": torch.ones(2), "b": torch.ones(3)}, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(WeightError, match="tensor 'a' is in another shard too"):
        open_weights(tmp_path)


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', '{"weight_map": {}}', "not json"])
def test_index_without_a_map_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(WeightError, match=r"model\.safetensors\.index\.json"):
        open_weights(tmp_path)


# Damaged files -------------------------------------------------------------------------------------------------------

DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "shorter than a length": (lambda path: path.write_bytes(b"\1\0"), "the header claims 1 bytes, the file has 2"),
    "header longer than the file": (lambda path: write(path, {}, length=10**15), "the header claims 1000000000000000"),
    "header longer than the format allows": (
        lambda path: write(path, b"{}", b" " * 10, length=2**63),
        "the header claims 9223372036854775808",
    ),
    "header not JSON": (lambda path: write(path, b"{broken"), "not JSON"),
    "header not UTF-8": (lambda path: write(path, b"\xff\xfe{}"), "byte 0 is not UTF-8"),
    "header a list": (lambda path: write(path, b"[]"), "holds a list"),
    "a name twice": (
        lambda path: write(path, b'{"x": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "x": {}}'),
        "the name 'x' appears twice",
    ),
    "entry without a shape": (lambda path: write(path, {"x": {"dtype": "F32"}}), "entry 'x' is incomplete"),
    "unknown type": (lambda path: write(path, {"x": entry("F8_E4M3", [1], 0, 1)}, b"\0"), "dtype 'F8_E4M3'"),
    "type not a string": (lambda path: write(path, {"x": entry([], [1], 0, 1)}, b"\0"), r"dtype \[\]"),  # type: ignore[arg-type]
    "negative size": (lambda path: write(path, {"x": entry("U8", [-1], 0, 1)}, b"\0"), "expected natural numbers"),
    "size not a number": (
        lambda path: write(path, {"x": entry("U8", [True], 0, 1)}, b"\0"),
        "expected natural numbers",
    ),
    "shape not a list": (lambda path: write(path, {"x": entry("U8", "1", 0, 1)}, b"\0"), "expected natural numbers"),  # type: ignore[arg-type]
    "range backwards": (lambda path: write(path, {"x": entry("U8", [1], 1, 0)}, b"\0"), "needs 1 bytes"),
    "shape and range differ": (
        lambda path: write(path, {"x": entry("F32", [3], 0, 8)}, b"\0" * 8),
        "needs 12 bytes, its offsets give 8",
    ),
    "data cut off": (lambda path: write(path, {"x": entry("F32", [3], 0, 12)}, b"\0" * 11), "the file is cut off"),
    "more than any memory": (
        lambda path: write(path, {"x": entry("F32", [2**40, 2**20], 0, 2**62)}, b"\0" * 8),
        "the file is cut off",
    ),
    "overlap": (
        lambda path: write(path, {"x": entry("U8", [4], 0, 4), "y": entry("U8", [4], 2, 6)}, b"\0" * 6),
        "tensor 'y' begins at byte 2 of the data and overlaps",
    ),
    "hole": (
        lambda path: write(path, {"x": entry("U8", [1], 0, 1), "y": entry("U8", [1], 3, 4)}, b"\0" * 4),
        "leaves a hole of 2 bytes",
    ),
    "more behind the last tensor": (
        lambda path: write(path, {"x": entry("U8", [1], 0, 1)}, b"\0" * 3),
        "2 bytes behind the last tensor",
    ),
    "more dimensions than an array has": (
        lambda path: write(path, {"x": entry("U8", [1] * 100, 0, 1)}, b"\0"),
        "which no array can have",
    ),
    "empty, with a huge dimension": (
        lambda path: write(path, {"x": entry("F64", [0, 2**80], 0, 0)}),
        "which no array can have",
    ),
    "a Git LFS pointer": (
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        "git lfs pull",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_file_is_refused_by_name(tmp_path: Path, case: str) -> None:
    damage, message = DAMAGED[case]
    damage(tmp_path / "model.safetensors")
    with pytest.raises(WeightError, match=rf"model\.safetensors.*{message}"):
        open_weights(tmp_path)


def test_header_beyond_the_formats_limit_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("lexel.checkpoint.weights.LARGEST_BYTES", 50)
    path = write(tmp_path / "model.safetensors", {"x": entry("U8", [1], 0, 1)}, b"\0")
    with pytest.raises(WeightError, match="the header claims 60 bytes"):
        map_safetensors(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_file_with_any_bytes_changed_is_read_or_refused_in_one_line(tmp_path_factory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    save_file({"a": torch.ones(3), "b": torch.zeros(2, 2).half()}, folder / "model.safetensors")
    content = bytearray((folder / "model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    (folder / "model.safetensors").write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    found = outcome_of(map_safetensors, folder / "model.safetensors")
    if isinstance(found, str):
        assert "\n" not in found
    else:
        assert all(tensor.read().shape == tensor.shape for tensor in found.values())


def test_every_known_type_has_the_width_that_its_name_says() -> None:
    for name, dtype in DTYPES.items():
        bits = 8 if name == "BOOL" else int(name.lstrip("BFIU"))
        assert np.dtype(dtype).itemsize * 8 == bits
