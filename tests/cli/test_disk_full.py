"""A disk that fills up while a command writes: one line, nothing half-written, and what was there is as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import Run, one_error

TEXT = "王小明在臺北市。\n" * 2000
SIZE_BYTES = 2 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "lexel-test", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, *, but: int = 0) -> None:
    """Leave only so many bytes free."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(b"x" * max(0, free - but))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["out.jsonl", "out.conll", "out.parquet", "out.jsonl.gz"])
def test_tagging_into_a_disk_that_fills_up_leaves_the_old_file(lexel: Run, disk: Path, name: str) -> None:
    (disk / name).write_bytes(b"before")
    fill(disk, but=0 if name.endswith("parquet") else 8192)  # Parquet makes little of the same line again and again
    before = files(disk)
    said = one_error(lexel("tag", "-q", "-o", disk / name, input=TEXT * (20 if name.endswith("gz") else 1)))
    assert f"{disk / name}: cannot be written (No space left on device)" in said
    assert files(disk) == before


def _convert(model: Path, disk: Path, scratch: Path) -> list[str]:
    folder = scratch / "old"
    shutil.copytree(model, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return ["convert", str(folder), str(disk / "out")]


def _quantize(model: Path, disk: Path, scratch: Path) -> list[str]:
    (scratch / "some.txt").write_text("王小明在北\n我在中\n", encoding="utf-8")
    return [
        "quantize",
        str(model),
        str(disk / "out"),
        "--calibration",
        str(scratch / "some.txt"),
        "--max-flips",
        "1000",
    ]


def _embed(model: Path, disk: Path, scratch: Path) -> list[str]:
    (scratch / "in.txt").write_text(TEXT, encoding="utf-8")
    return ["embed", str(scratch / "in.txt"), "-o", str(disk / "out")]


@pytest.mark.parametrize("command", [_convert, _quantize, _embed], ids=["convert", "quantize", "embed"])
def test_a_new_folder_on_a_disk_that_fills_up_leaves_nothing(
    lexel: Run, disk: Path, model: Path, tmp_path: Path, command: Callable[[Path, Path, Path], list[str]]
) -> None:
    fill(disk, but=8192)
    said = one_error(lexel(*command(model, disk, tmp_path), "-q", LEXEL_ENGINE=""))
    assert "No space left on device" in said
    assert sorted(os.listdir(disk)) == ["filler"]


def test_a_card_on_a_disk_that_is_full_leaves_the_old_card(lexel: Run, disk: Path, model: Path) -> None:
    folder = disk / "model"
    shutil.copytree(model, folder)
    assert lexel("card", folder, "-q", "--no-speed", "--licence", "mit").returncode == 0
    fill(disk)
    before = files(folder)
    said = one_error(
        lexel("card", folder, "-q", "--no-speed", "--licence", "apache-2.0", "--set", "genres=" + "x" * 9000)
    )
    assert "No space left on device" in said
    assert files(folder) == before
