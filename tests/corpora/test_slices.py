"""Files cut into slices: nothing between them, nothing twice, packed or not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.corpora import slices
from lexel.corpora.slices import SliceReader, scan_file
from lexel.errors import DataError

LINES = [f"line {n} {'x' * (n % 7)}\n".encode() for n in range(50)]


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.compress(data[:200]) + zstandard.compress(data[200:])  # two frames, as split compressors write


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".gz": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": _zstd,
}


@pytest.mark.parametrize("ending", PACKERS)
def test_slices_are_the_file_whatever_packs_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in{ending}"
    path.write_bytes(PACKERS[ending](b"".join(LINES)))
    scan = scan_file(str(path), records=7, most_bytes=1000)
    with closing(SliceReader()) as reader:
        assert b"".join(reader.read(str(path), one.start, one.end) for one in scan.slices) == b"".join(LINES)
    assert [one.count for one in scan.slices] == [7] * 7 + [1]
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert scan.bytes == path.stat().st_size


@pytest.mark.parametrize("ending", PACKERS)
def test_a_slice_can_be_read_again_after_a_later_one(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in{ending}"
    path.write_bytes(PACKERS[ending](b"".join(LINES)))
    first, *_, last = scan_file(str(path), records=7, most_bytes=1000).slices
    with closing(SliceReader()) as reader:
        assert reader.read(str(path), last.start, last.end) == LINES[-1]
        assert reader.read(str(path), first.start, first.end) == b"".join(LINES[:7])


@given(st.lists(st.integers(0, 30)), st.booleans(), st.integers(1, 9), st.integers(1, 60), st.integers(1, 40))
def test_slices_tile_any_file_with_blocks_of_any_size(
    sizes: list[int], ends: bool, records: int, most_bytes: int, block: int
) -> None:
    data = b"\n".join(b"x" * size for size in sizes) + b"\n" * ends
    cutter = slices._Cutter(records, most_bytes)
    for at in range(0, len(data), block):
        cutter.take(data[at : at + block])
    cut = cutter.finish()
    assert [one.start for one in cut] == [0, *(one.end for one in cut)][:-1]
    assert not data or cut[-1].end == len(data)
    n_lines = data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
    assert sum(one.count for one in cut) == n_lines
    for one in cut:
        part = data[one.start : one.end]
        lines = part.count(b"\n") + (not part.endswith(b"\n"))
        assert lines == one.count <= records
        assert one.count == 1 or part[:-1].rfind(b"\n") + 1 < most_bytes


@pytest.mark.parametrize("ending", [ending for ending in PACKERS if ending != ".jsonl"])
def test_a_packed_file_that_was_cut_off_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in.jsonl{ending}"
    path.write_bytes(PACKERS[ending](b"".join(LINES))[:-20])
    with pytest.raises(DataError, match=rf"in\.jsonl\{ending}: cannot be unpacked"):
        scan_file(str(path), records=7, most_bytes=1000)


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(LINES))
    *_, last = scan_file(str(path), records=7, most_bytes=1000).slices
    path.write_bytes(b"".join(LINES[:-1]))
    with closing(SliceReader()) as reader, pytest.raises(DataError, match=r"in\.jsonl: ends at byte .* the plan has"):
        reader.read(str(path), last.start, last.end)
