"""``pytorch_model.bin`` without torch: the same numbers as torch, and nothing in it is ever run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.checkpoint.pickles import CALLS, MAGIC, map_bin, read_bin
from lexel.checkpoint.weights import open_weights
from lexel.errors import WeightError

from .conftest import outcome_of

FORMS = pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "stream"])
TYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def save(value: Any, path: Path, *, as_zip: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=as_zip)
    return path


def assert_same(read: dict[str, np.ndarray], tensors: dict[str, torch.Tensor]) -> None:
    assert list(read) == list(tensors)
    for name, tensor in tensors.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        assert read[name].dtype == expected.dtype
        assert read[name].shape == expected.shape
        np.testing.assert_array_equal(read[name], expected)


@FORMS
@pytest.mark.parametrize("name", TYPES)
def test_tensors_of_every_type_are_as_torch_wrote_them(tmp_path: Path, as_zip: bool, name: str) -> None:
    tensors = {"x": (torch.randn(3, 5) * 3).to(getattr(torch, name))}
    assert_same(read_bin(save(tensors, tmp_path / "x.bin", as_zip=as_zip)), tensors)


@FORMS
def test_state_dict_of_a_module_is_read(tmp_path: Path, as_zip: bool) -> None:
    state = torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()
    assert isinstance(state, OrderedDict)
    assert state._metadata
    assert_same(read_bin(save(state, tmp_path / "x.bin", as_zip=as_zip)), state)


@FORMS
def test_parameters_are_read_as_tensors(tmp_path: Path, as_zip: bool) -> None:
    tensors = {"x": torch.nn.Parameter(torch.randn(2, 3))}
    assert_same(read_bin(save(tensors, tmp_path / "x.bin", as_zip=as_zip)), tensors)


@FORMS
def test_tensors_that_share_a_storage_are_each_read(tmp_path: Path, as_zip: bool) -> None:
    whole = torch.arange(24.0)
    tensors = {"whole": whole, "end": whole[12:], "middle": whole[4:8].reshape(2, 2), "again": whole}
    assert_same(read_bin(save(tensors, tmp_path / "x.bin", as_zip=as_zip)), tensors)


@FORMS
def test_strides_are_honoured(tmp_path: Path, as_zip: bool) -> None:
    base = torch.arange(60.0).reshape(3, 4, 5)
    tensors = {"t": base[0].t(), "every_other": base[:, ::2, 1:], "permuted": base.permute(2, 0, 1)}
    read = read_bin(save(tensors, tmp_path / "x.bin", as_zip=as_zip))
    assert_same(read, tensors)
    assert all(array.flags.c_contiguous for array in read.values())


@FORMS
def test_scalars_and_empty_tensors_are_read(tmp_path: Path, as_zip: bool) -> None:
    tensors = {
        "one": torch.tensor(3.5),
        "none": torch.zeros(0),
        "no_rows": torch.zeros(0, 4),
        "one_row": torch.ones(1, 3),
    }
    assert_same(read_bin(save(tensors, tmp_path / "x.bin", as_zip=as_zip)), tensors)


@FORMS
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_newer_pickle_protocols_are_read(tmp_path: Path, as_zip: bool, protocol: int) -> None:
    tensors = torch.nn.Linear(3, 2).state_dict()
    torch.save(tensors, tmp_path / "x.bin", pickle_protocol=protocol, _use_new_zipfile_serialization=as_zip)
    assert_same(read_bin(tmp_path / "x.bin"), tensors)


@FORMS
def test_tensor_is_a_writeable_view_that_leaves_the_file_alone(tmp_path: Path, as_zip: bool) -> None:
    path = save({"x": torch.zeros(4)}, tmp_path / "x.bin", as_zip=as_zip)
    before = path.read_bytes()
    map_bin(path)["x"].read()[:] = 1
    assert path.read_bytes() == before


def test_weights_are_asked_for_as_from_safetensors(tmp_path: Path) -> None:
    save({"bert.pooler.bias": torch.ones(2), "a.weight": torch.ones(2, 3)}, tmp_path / "pytorch_model.bin", as_zip=True)
    weights = open_weights(tmp_path)
    assert weights.tensor("a.weight", (2, 3)).sum() == 6
    weights.check_used()


def test_shards_of_bin_files_are_read_through_their_index(tmp_path: Path) -> None:
    save({"a": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00001.bin", as_zip=True)
    index = '{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}'
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    assert open_weights(tmp_path).names == ("a",)


# Nothing is run ------------------------------------------------------------------------------------------------------


class Runs:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def write_zip(path: Path, program: bytes, storages: dict[str, bytes] | None = None, *, compress: bool = False) -> Path:
    """A zip as torch writes it, around any program."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_stream(path: Path, program: bytes, keys: list[str] | None = None, rest: bytes = b"") -> Path:
    """A stream as torch wrote it before 1.6, around any program."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, system))
    path.write_bytes(head + program + pickle.dumps(keys or [], 2) + rest)
    return path


WRITERS = pytest.mark.parametrize("write", [write_zip, write_stream], ids=["zip", "stream"])


@WRITERS
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path, write: Any, protocol: int) -> None:
    victim = tmp_path / "victim"
    program = pickle.dumps({"x": Runs(os.system, f"touch {victim}")}, protocol)
    with pytest.raises(WeightError, match=r"posix\.system|nt\.system|instruction"):
        read_bin(write(tmp_path / "x.bin", program))
    assert not victim.exists()


@pytest.mark.parametrize("function", [eval, exec, open, getattr, __import__, print, os.remove, pickle.loads, np.array])
def test_any_function_off_the_list_is_refused_by_name(tmp_path: Path, function: Any) -> None:
    program = pickle.dumps({"x": Runs(function, "1")}, 2)
    with pytest.raises(
        WeightError, match=rf"{function.__name__}' ?, which is not on the list of names that tensors need"
    ):
        read_bin(write_zip(tmp_path / "x.bin", program))


def test_pickle_that_runs_code_while_torch_reads_it_does_not_here(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    torch.save({"x": Runs(os.mkdir, str(victim))}, tmp_path / "x.bin")
    with pytest.raises(WeightError, match=r"posix\.mkdir|nt\.mkdir"):
        read_bin(tmp_path / "x.bin")
    assert not victim.exists()
    torch.load(tmp_path / "x.bin", weights_only=False)
    assert victim.exists()


def test_whole_saved_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.bin")
    with pytest.raises(WeightError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_bin(tmp_path / "x.bin")


def test_name_of_a_storage_cannot_be_called(tmp_path: Path) -> None:
    program = b"\x80\x02ctorch\nFloatStorage\n)R."
    with pytest.raises(WeightError, match="a call of something that cannot be called"):
        read_bin(write_zip(tmp_path / "x.bin", program))


def test_state_cannot_be_set_on_anything_but_a_dictionary(tmp_path: Path) -> None:
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    with pytest.raises(WeightError, match="a _Name where a dict is filled"):
        read_bin(write_zip(tmp_path / "x.bin", program))


@pytest.mark.parametrize("name", ["INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "PERSID", "NEXT_BUFFER", "BYTEARRAY8"])
def test_instruction_that_makes_other_objects_does_not_exist_here(name: str) -> None:
    from lexel.checkpoint.pickles import _STEPS

    assert name not in _STEPS


def test_list_of_callable_names_is_what_tensors_need() -> None:
    assert set(CALLS) == {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
    }


# Claims --------------------------------------------------------------------------------------------------------------


class Named:
    """A global of torch, written by name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Claim:
    """A storage or a tensor described by hand."""

    def __init__(
        self, *, n: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, key: Any = "0"
    ) -> None:
        self.reference = ("storage", Named("FloatStorage"), key, "cpu", n)
        self.arguments = (offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):  # type: ignore[name-defined,misc]
    """A pickler that writes claims as torch writes tensors."""

    def persistent_id(self, value: Any) -> Any:
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Named):
            self.write(b"ctorch\n" + value.name.encode() + b"\n")
        elif isinstance(value, Claim):
            self.write(b"ctorch._utils\n_rebuild_tensor_v2\n(")
            self.save(value.reference + ((None,) if self.with_view else ()))
            self.write(b"Q")
            for argument in value.arguments:
                self.save(argument)
            self.write(b"tR")
        else:
            super().save(value, save_persistent_id)


def program_of(claim: Claim, *, with_view: bool) -> bytes:
    out = io.BytesIO()
    writer = Writer(out, 2)
    writer.with_view = with_view
    writer.dump({"x": claim})
    return out.getvalue()


def write_claim(claim: Claim, path: Path, content: bytes, *, as_zip: bool) -> Path:
    program = program_of(claim, with_view=not as_zip)
    if as_zip:
        return write_zip(path, program, {"0": content})
    return write_stream(path, program, ["0"], struct.pack("<q", claim.reference[4]) + content)


@FORMS
def test_a_claim_that_is_true_is_read(tmp_path: Path, as_zip: bool) -> None:
    claim = Claim(n=6, shape=(3, 2), strides=(1, 3))
    content = np.arange(6, dtype=np.float32)
    path = write_claim(claim, tmp_path / "x.bin", content.tobytes(), as_zip=as_zip)
    np.testing.assert_array_equal(read_bin(path)["x"], content.reshape(2, 3).T)


@FORMS
@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim(n=2**60, shape=(2**60,), strides=(1,)), "claims"),
        (Claim(n=6, shape=(2**30, 2**30), strides=(0, 0)), r"needs 1152921504606846976 elements, its storage holds 6"),
        (Claim(n=6, shape=(7,), strides=(1,)), "needs 7 elements, its storage holds 6"),
        (Claim(n=6, shape=(2,), strides=(2**62,)), "its storage holds 6"),
        (Claim(n=6, shape=(2,), strides=(1,), offset=5), "needs 7 elements, its storage holds 6"),
        (Claim(n=6, shape=(2,), strides=(1,), offset=-1), "not natural numbers"),
        (Claim(n=6, shape=(-2,), strides=(1,)), "not natural numbers"),
        (Claim(n=6, shape=(2,), strides=(-1,)), "not natural numbers"),
        (Claim(n=6, shape=(2,), strides=(1, 1)), "not natural numbers"),
        (Claim(n=6, shape=(1.5,), strides=(1,)), "not natural numbers"),  # type: ignore[arg-type]
        (Claim(n=6, shape=(0, 2**80), strides=(1, 1)), "damaged"),
        (Claim(n=6, shape=(1,) * 99, strides=(1,) * 99), "damaged"),
    ],
)
def test_a_claim_beyond_the_file_is_refused_before_anything_is_allocated(
    tmp_path: Path, as_zip: bool, claim: Claim, message: str
) -> None:
    path = write_claim(claim, tmp_path / "x.bin", bytes(24), as_zip=as_zip)
    with pytest.raises(WeightError, match=message):
        read_bin(path)


def test_negative_storage_is_refused(tmp_path: Path) -> None:
    path = write_claim(Claim(n=-1, shape=(1,), strides=(1,)), tmp_path / "x.bin", bytes(24), as_zip=True)
    with pytest.raises(WeightError, match="not natural numbers"):
        read_bin(path)


def test_storage_that_is_not_in_the_zip_is_named(tmp_path: Path) -> None:
    path = write_claim(Claim(n=1, shape=(1,), strides=(1,), key="7"), tmp_path / "x.bin", bytes(24), as_zip=True)
    with pytest.raises(WeightError, match="no entry 'archive/data/7'"):
        read_bin(path)


def test_storage_that_is_not_in_the_stream_is_named(tmp_path: Path) -> None:
    program = program_of(Claim(n=1, shape=(1,), strides=(1,)), with_view=True)
    with pytest.raises(WeightError, match="storage '0' of a tensor is not in the file"):
        read_bin(write_stream(tmp_path / "x.bin", program))


def test_stream_storage_with_a_view_of_another_is_read(tmp_path: Path) -> None:
    claim = Claim(n=6, shape=(2,), strides=(1,))
    out = io.BytesIO()
    writer = Writer(out, 2)
    writer.with_view = False
    claim.reference = (*claim.reference, ("view", 3, 2))
    writer.dump({"x": claim})
    content = np.arange(6, dtype=np.float32).tobytes()
    path = write_stream(tmp_path / "x.bin", out.getvalue(), ["0"], struct.pack("<q", 6) + content)
    assert read_bin(path)["x"].tolist() == [3, 4]


def test_compressed_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match=r"entry 'archive/data\.pkl' is compressed"):
        read_bin(write_zip(tmp_path / "x.bin", pickle.dumps({}, 2), compress=True))


@pytest.mark.parametrize(("names", "n"), [([], 0), (["a/data.pkl", "b/data.pkl"], 2)])
def test_zip_must_have_one_program(tmp_path: Path, names: list[str], n: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.bin", "w") as archive:
        for name in ["x", *names]:
            archive.writestr(name, pickle.dumps({}, 2))
    with pytest.raises(WeightError, match=rf"{n} entries are called data\.pkl; expected one"):
        read_bin(tmp_path / "x.bin")


def test_zip_of_a_big_endian_machine_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/byteorder", b"big")
    with pytest.raises(WeightError, match="byte order 'big'; expected 'little'"):
        read_bin(tmp_path / "x.bin")


@pytest.mark.parametrize(
    ("version", "system"), [(1002, {"little_endian": True}), (1001, {"little_endian": False}), (1001, [])]
)
def test_stream_of_another_version_or_machine_is_refused(tmp_path: Path, version: int, system: object) -> None:
    (tmp_path / "x.bin").write_bytes(b"".join(pickle.dumps(value, 2) for value in (MAGIC, version, system, {}, [])))
    with pytest.raises(WeightError, match=r"expected version 1001 of torch\.save's stream, little-endian"):
        read_bin(tmp_path / "x.bin")


# Other files ---------------------------------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "holds a list; expected a dictionary of tensors"),
        ({"epoch": 3}, "entry 'epoch' is a int, expected a tensor"),
        ({"net": {"a": torch.ones(1)}}, "entry 'net' is a dict, expected a tensor. Save only its 'net'"),
        ({3: torch.ones(1)}, "entry '3' is a _Tensor"),
    ],
)
def test_file_of_something_else_is_refused(tmp_path: Path, as_zip: bool, value: object, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        read_bin(save(value, tmp_path / "x.bin", as_zip=as_zip))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>", "begins with b'<html>no'; expected a file by torch.save"),
        (b"\x80\x02K\x01.", "expected a file by torch.save"),
        (b"PK\x03\x04 and no more", "damaged"),
        (bytes(257) + b"ustar" + bytes(99), "torch before 0.1.10"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_other_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(WeightError, match=message):
        read_bin(tmp_path / "x.bin")


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match=r"x\.bin: no such file"):
        read_bin(tmp_path / "x.bin")


@FORMS
def test_truncated_file_is_refused_at_every_length(tmp_path: Path, as_zip: bool) -> None:
    content = save({"a": torch.ones(30), "b": torch.ones(3)}, tmp_path / "x.bin", as_zip=as_zip).read_bytes()
    for length in range(1, len(content) - 1, 7):
        (tmp_path / "y.bin").write_bytes(content[:length])
        with pytest.raises(WeightError):
            read_bin(tmp_path / "y.bin")


@FORMS
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_file_with_any_bytes_changed_is_read_or_refused_in_one_line(tmp_path_factory, as_zip, data) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.bin"
    content = bytearray(save({"a": torch.ones(3), "b": torch.zeros(2, 2).t()}, path, as_zip=as_zip).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    found = outcome_of(read_bin, path)
    if isinstance(found, str):
        assert "\n" not in found
    else:
        assert all(array.size <= 9 for array in found.values())


def test_nested_tuples_that_double_cost_nothing(tmp_path: Path) -> None:
    doubling = b")" + b"q\x00h\x00\x86" * 60
    program = b"\x80\x02}" + doubling + b"K\x01s."
    with pytest.raises(WeightError, match="a tuple as the key of a dictionary"):
        read_bin(write_zip(tmp_path / "x.bin", program))
