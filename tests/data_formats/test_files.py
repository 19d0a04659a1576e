"""Lines in and whole files out, with everything that can be wrong with either."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import subprocess
import sys
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.data.files import LineReader, open_output
from lexel.errors import DataError


def lines_of(data: bytes, tmp_path: Path, *, encoding: str = "utf-8", name: str = "in.txt") -> list[str]:
    path = tmp_path / name
    path.write_bytes(data)
    return list(LineReader(path, encoding=encoding))


def written(path: Path, *texts: str, encoding: str = "utf-8") -> bytes:
    with open_output(path, encoding=encoding) as output:
        for text in texts:
            output.write(text)
    return path.read_bytes()


def stop_while_writing(path: Path, stop: type[BaseException]) -> None:
    with open_output(path) as output:
        output.write("begun\n")
        raise stop


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"])
def test_only_a_line_feed_ends_a_line(char: str, tmp_path: Path) -> None:
    assert lines_of(f"a{char}b\nc".encode(), tmp_path) == [f"a{char}b", "c"]


def test_a_carriage_return_goes_with_the_line_feed_after_it(tmp_path: Path) -> None:
    assert lines_of(b"a\r\n\r\nb\r\r\n", tmp_path) == ["a", "", "b\r"]


def test_a_last_line_without_an_end_counts(tmp_path: Path) -> None:
    assert lines_of(b"a\n\nb", tmp_path) == ["a", "", "b"]


def test_a_last_line_end_begins_no_line(tmp_path: Path) -> None:
    assert lines_of(b"a\n", tmp_path) == ["a"]


def test_an_empty_file_has_no_line(tmp_path: Path) -> None:
    assert lines_of(b"", tmp_path) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(encoding: str, tmp_path: Path) -> None:
    text = "\ufeffa\n\ufeffb" if encoding in ("utf-8", "utf-16-le") else "a\n\ufeffb"
    assert lines_of(text.encode(encoding), tmp_path, encoding=encoding) == ["a", "\ufeffb"]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16", "shift_jis"])
def test_other_encodings_are_read_when_named(encoding: str, tmp_path: Path) -> None:
    assert lines_of("一二\n三".encode(encoding), tmp_path, encoding=encoding) == ["一二", "三"]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"ab\n\xe4\xb8\xad\xff", "2: byte 0xff at column 2"),
        (b"\xff", "1: byte 0xff at column 1"),
        (b"a\nb\n\xe4\xb8", "3: byte 0xe4 at column 1"),
        (b"a\nbc\xc0\xafd\n", "2: byte 0xc0 at column 3"),
        (b"\xed\xa0\x80\n", "1: byte 0xed at column 1"),
        (b"x" * 3_000_000 + b"\n" + b"y" * 1_500_000 + b"\x80", "2: byte 0x80 at column 1500001"),
    ],
)
def test_a_byte_that_is_not_utf8_is_named_with_its_place(data: bytes, place: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        lines_of(data, tmp_path)
    advice = "expected UTF-8; pass --encoding if the text is in another (gb18030, big5, ...)"
    assert str(caught.value) == f"{tmp_path / 'in.txt'}:{place}; {advice}"


def test_lines_before_a_bad_byte_come_out_first(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"one\ntwo\n\xff\n")
    assert list(islice(LineReader(path), 2)) == ["one", "two"]


def test_another_encoding_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":2: byte 0xff at column 2; expected gb18030"):
        lines_of(b"a\nb\xff\xff", tmp_path, encoding="gb18030")


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_an_encoding_that_is_none_of_text_is_refused(encoding: str) -> None:
    with pytest.raises(DataError, match=rf"no text encoding is called '{encoding}'"):
        LineReader("in.txt", encoding=encoding)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.txt: no such file; expected a file"):
        list(LineReader(tmp_path / "gone.txt"))


def test_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be opened \(Is a directory\)"):
        list(LineReader(tmp_path))


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_are_read_by_their_ending(ending, pack, tmp_path: Path) -> None:
    assert lines_of(pack("漢\n字".encode()), tmp_path, name=f"in.txt{ending}") == ["漢", "字"]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: b"plain text, not packed\n"])
def test_a_spoilt_packed_file_is_one_clear_line(ending, pack, spoil, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"in.txt\{ending}:\d+: cannot be read any further \("):
        lines_of(spoil(pack(os.urandom(4000).hex().encode())), tmp_path, name=f"in.txt{ending}")


def test_a_single_line_of_ten_megabytes_is_read_whole(tmp_path: Path) -> None:
    (line,) = lines_of("字".encode() * 3_400_000, tmp_path)
    assert len(line) == 3_400_000


def test_many_lines_take_the_memory_of_few(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"0123456789abcdef\n" * 400_000)
    tracemalloc.start()
    assert sum(1 for _ in LineReader(path)) == 400_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("stream", [io.StringIO("a\nb\x85\n"), io.BytesIO("a\nb\x85\n".encode())])
def test_open_streams_of_text_or_bytes_are_read(stream) -> None:
    assert list(LineReader(stream)) == ["a", "b\x85"]


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n\xff")))
    with pytest.raises(DataError, match=r"^<stdin>:2: byte 0xff at column 1"):
        list(LineReader("-"))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=50), st.sampled_from(["utf-8", "utf-16", "gb18030"]))
def test_any_text_comes_back_from_any_encoding_that_holds_it(text: str, encoding: str) -> None:
    stream = io.BytesIO()
    with open_output(stream, encoding=encoding) as output:
        output.write(text + "\n")
    stream.seek(0)
    ends = [part.removesuffix("\r") for part in text.split("\n")]
    assert list(LineReader(stream, encoding=encoding)) == ends


def test_a_lone_surrogate_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        written(tmp_path / "out.txt", "one\n", "two\nthr\ud83dee\n")
    assert str(caught.value) == (
        f"{tmp_path / 'out.txt'}:3: lone surrogate U+D83D at column 4; utf-8 cannot hold it; "
        "write JSON lines, which keep it as an escape"
    )


def test_a_character_that_an_encoding_lacks_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"out.txt:1: '😀' \(U\+1F600\) at column 2; big5 cannot hold it; write UTF-8"):
        written(tmp_path / "out.txt", "漢😀\n", encoding="big5")


def test_nothing_stands_under_the_name_before_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with open_output(path) as output:
        output.write("a\n" * 2_000_000)
        assert not path.exists()
    assert path.stat().st_size == 4_000_000


def test_an_error_leaves_an_older_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("older")
    with pytest.raises(RuntimeError):
        stop_while_writing(path, RuntimeError)
    assert (path.read_text(), os.listdir(tmp_path)) == ("older", ["out.txt"])


@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz", "out.txt.xz"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, BrokenPipeError, DataError])
def test_whatever_stops_a_writer_leaves_nothing_behind(stop, name: str, tmp_path: Path) -> None:
    with pytest.raises(stop):
        stop_while_writing(tmp_path / name, stop)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz", "out.txt.xz"])
def test_a_disk_that_is_full_at_the_end_leaves_nothing_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DataError, match=r"out.txt\S*: cannot be written \(No space left on device\)"):
        written(tmp_path / name, "a\n")
    assert os.listdir(tmp_path) == []


FULL_DISK = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from lexel.data.files import open_output
from lexel.errors import DataError
try:
    with open_output(sys.argv[1]) as output:
        for _ in range(60):
            output.write(os.urandom(50_000).hex() + "\\n")
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a Unix thing")
@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz"])
def test_a_disk_that_fills_up_on_the_way_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, tmp_path / name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (
        run.stdout
        == f"{tmp_path / name}: cannot be written (File too large); expected free space and permission to write\n"
    )
    assert (run.stderr, os.listdir(tmp_path)) == ("", [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_device_is_written_to_directly() -> None:
    with pytest.raises(DataError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        written(Path("/dev/full"), "a\n")


def test_a_place_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"out.txt: cannot be written \(No such file or directory\)"):
        written(tmp_path / "gone" / "out.txt", "a\n")


def test_a_broken_pipe_stays_a_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as stream, pytest.raises(BrokenPipeError), open_output(stream) as output:
        output.write("a\n")


def test_standard_output_is_a_dash(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with open_output("-") as output:
        output.write("漢\n")
    assert capsysbinary.readouterr().out == "漢\n".encode()


@pytest.mark.parametrize(("name", "unpack"), [("a.gz", gzip.decompress), ("a.xz", lzma.decompress)])
def test_a_packed_ending_packs(name: str, unpack, tmp_path: Path) -> None:
    assert unpack(written(tmp_path / name, "漢\n")) == "漢\n".encode()


def test_the_same_text_packs_to_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a.gz", "漢\n") == written(tmp_path / "b.gz", "漢\n")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("older")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    written(tmp_path / "link.txt", "newer")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "newer"


def test_the_rights_of_an_older_file_stay(tmp_path: Path) -> None:
    (tmp_path / "out.txt").touch(mode=0o600)
    written(tmp_path / "out.txt", "a")
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o600


def test_a_text_that_begins_with_a_mark_keeps_it(tmp_path: Path) -> None:
    written(tmp_path / "out.txt", "\ufeffa\n")
    assert list(LineReader(tmp_path / "out.txt")) == ["\ufeffa"]


def test_what_is_being_written_is_never_more_readable_than_what_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("before")
    path.chmod(0o600)
    with open_output(path) as output:
        output.write("after")
        (part,) = tmp_path.glob(".lexel-*.part")
        assert part.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with open_output(tmp_path / "new.txt") as output:
            output.write("a")
    finally:
        os.umask(before)
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o640
