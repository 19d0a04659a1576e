"""``pytorch_model.bin`` to ``model.safetensors``: whole, or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.convert import convert
from lexel.errors import CheckpointError, WeightError

from .conftest import FolderBuilder


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    whole = torch.randn(4, 6)
    return {
        "bert.a.weight": whole,
        "bert.b.weight": whole.t(),
        "shared": whole[1:3],
        "half": torch.randn(3).half(),
        "brain": torch.randn(5).bfloat16(),
        "ids": torch.arange(7),
        "flag": torch.tensor([True]),
        "none": torch.zeros(0, 3),
    }


@pytest.fixture
def folder(build_folder: FolderBuilder, tensors: dict[str, torch.Tensor]) -> Path:
    files = {
        "vocab.txt": "[PAD]\n",
        "tokenizer_config.json": "{}",
        "README.md": "# Card",
        "run.py": "print()",
        "x.h5": "",
    }
    made = build_folder(files=files)
    torch.save(tensors, made / "pytorch_model.bin")
    return made


def test_safetensors_library_reads_the_same_tensors(folder: Path, tensors: Any, tmp_path: Path) -> None:
    out = convert(folder, tmp_path / "out")
    read = load_file(out / "model.safetensors")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_every_tensor_is_aligned_to_its_width(folder: Path, tmp_path: Path) -> None:
    content = (convert(folder, tmp_path / "out") / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    widths = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "BOOL": 1}
    assert all((8 + length + entry["data_offsets"][0]) % widths[entry["dtype"]] == 0 for entry in header.values())


def test_model_files_are_kept_and_code_is_left_behind(folder: Path, tmp_path: Path) -> None:
    out = convert(folder, tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_converted_folder_opens_with_the_same_weights(folder: Path, tmp_path: Path) -> None:
    before, after = (open_checkpoint(place).open_weights() for place in (folder, convert(folder, tmp_path / "out")))
    assert before.names == after.names


def test_shards_become_one_file(folder: Path, tensors: Any, tmp_path: Path) -> None:
    (folder / "pytorch_model.bin").rename(folder / "pytorch_model-1.bin")
    index = {"weight_map": dict.fromkeys(tensors, "pytorch_model-1.bin")}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert load_file(convert(folder, tmp_path / "out") / "model.safetensors").keys() == tensors.keys()


def test_existing_folder_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(CheckpointError, match="out: already exists; nothing was overwritten"):
        convert(folder, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_folder_with_safetensors_needs_no_converting(folder: Path, tmp_path: Path) -> None:
    done = convert(folder, tmp_path / "out")
    with pytest.raises(WeightError, match=r"has model\.safetensors already"):
        convert(done, tmp_path / "again")


def test_malicious_file_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "victim"),)

    torch.save({"x": Runs()}, folder / "pytorch_model.bin")
    with pytest.raises(WeightError, match="mkdir"):
        convert(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("failing", ["write", "copyfile", "fsync", "rename"])
def test_full_disk_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: Any, failing: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullFile(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    opened = Path.open
    patches: dict[str, tuple[Any, str, Any]] = {
        "write": (Path, "open", lambda path, mode="r", **kw: (FullFile if mode == "wb" else opened)(path, mode, **kw)),
        "copyfile": (__import__("shutil"), "copyfile", full),
        "fsync": (os, "fsync", full),
        "rename": (Path, "rename", full),
    }
    monkeypatch.setattr(*patches[failing])
    with pytest.raises(
        CheckpointError, match=r"out: not written \(No space left on device\); no partial output was left"
    ):
        convert(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_interrupted_converting_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
