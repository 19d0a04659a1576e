"""How a command ends when it does not go well: one line, a status that says which, and no half-written file."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import typer

from lexel.cli.options.groups import MessageOptions
from lexel.cli.terminal.messages import reported
from tests.cli.conftest import COMMAND, Run, one_error

TEXT = "王小明在臺北市。\n"


def test_a_byte_that_is_not_utf8_is_said_with_its_place_and_nothing_is_written(lexel: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes("我在家\n他在\n".encode() + b"\xe6\x88 \n")
    out = tmp_path / "out.jsonl"
    assert f"{source}:3: byte 0xe6 at column 1; expected UTF-8" in one_error(lexel("tag", "-q", source, "-o", out))
    assert os.listdir(tmp_path) == ["in.txt"]


def test_what_is_wrong_with_files_is_said_before_a_model_is_loaded(lexel: Run, tmp_path: Path) -> None:
    said = one_error(lexel("tag", "no.txt", tmp_path, "-o", tmp_path / "no" / "out.jsonl", "-m", "/no/model"))
    assert "no.txt: no such file" in said
    assert f"{tmp_path}: is a folder" in said
    assert "there is no folder" in said


@pytest.mark.parametrize(("named", "is_text"), [("王芳在北京。", True), ("New York", True), ("文本.txt", False)])
def test_a_text_where_a_file_is_expected_is_told_how_to_be_read(lexel: Run, named: str, is_text: bool) -> None:
    said = one_error(lexel("tag", named))
    assert f"{named}: no such file" in said
    assert ("to read a text, use: echo TEXT | lexel COMMAND" in said) is is_text


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["tag", "-m", "/no/model"], {}, "/no/model: no such folder, and not a hub id"),
        (["tag", "-q", "--max-chars", "5"], {}, "<stdin>:2: 8 characters; expected at most 5 (--max-chars)"),
        (["tag", "-q", "--given-words"], {}, "<stdin>:1: has no words; expected words to keep (--given-words)"),
        (["segment", "-q", "--lexicon", "no.tsv"], {}, "no.tsv"),
        (["describe", "--measure", "--text", "no.txt"], {}, "no.txt: no such file; expected a file to read"),
        (["describe", "--measure", "--text", "-"], {}, "<stdin>:3: byte 0xff at column 1; expected UTF-8"),
        (["check", "-q", "zh", "--out", "no/report"], {}, "no/report: there is no folder 'no'; create it first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_one_line(lexel: Run, arguments: list[str], variables: dict[str, str], said: str) -> None:
    assert said in one_error(lexel(*arguments, input=f"我在\n{TEXT}".encode() + b"\xff\n", **variables))


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["tag", "--modle", "x"], {}, "No such option: --modle; did you mean --model? See 'lexel tag --help'."),
        (["tga"], {}, "Did you mean 'tag'? See 'lexel --help'."),
        (["tag", "--continue"], {}, "No such option: --continue. See 'lexel tag --help'."),
        (
            ["tag"],
            {"LEXEL_ENGINE": "cuda"},
            "'cuda' is not one of 'auto', 'openvino', 'onnxruntime', 'torch', 'numpy' (from LEXEL_ENGINE)",
        ),
        (["tag", "--out", "out.txt"], {}, "out.txt: text cannot hold results; name the format with --to"),
        (["tag", "--out", "out.doc"], {}, "ending '.doc'; expected one of .txt"),
        (["convert", "x"], {}, "Missing argument 'OUT'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_misuse_ends_with_2_and_names_what_is_near(
    lexel: Run, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    assert said in one_error(lexel(*arguments, **variables), status=2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "a/b"),
            "a/b: cannot be used (Permission denied); check its permissions",
        ),
        (FileNotFoundError(2, "No such file or directory", "a/b"), "a/b: no such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("the device is gone"), "the device is gone"),
    ],
)
def test_what_the_system_refuses_is_said_without_its_number(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), reported(MessageOptions()):
        raise error
    assert capsys.readouterr().err == f"lexel: error: {said}\n"


def test_debug_shows_where_an_error_comes_from(lexel: Run) -> None:
    result = lexel("tag", "--debug", "-m", "/no/model")
    assert b"Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith(b"lexel: error: /no/model")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [["tag", "-q"], ["models", "-q"], ["--help"], ["--version"], ["train", "--help"], []],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_a_full_disk_is_one_line(environment: dict[str, str], arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*COMMAND, *arguments],
            input=TEXT.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert "No space left on device" in one_error(result)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_leaves_nothing_and_says_nothing(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("what was there before", encoding="utf-8")
    command = [*COMMAND, "tag", "-q", "-o", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(TEXT.encode() * 3000)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while len(os.listdir(tmp_path)) < 2 and time.monotonic() < deadline:  # the unfinished file has come
            time.sleep(0.02)
        assert len(os.listdir(tmp_path)) == 2
        process.send_signal(number)
        assert process.wait(timeout=60) == status
        assert process.stderr.read() == b""
    assert os.listdir(tmp_path) == ["out.jsonl"]
    assert out.read_text(encoding="utf-8") == "what was there before"


def test_help_that_nobody_reads_ends_like_the_rest(environment: dict[str, str]) -> None:
    command = [*COMMAND, "train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


def test_a_reader_that_goes_away_ends_the_command_quietly(environment: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text(TEXT * 10_000, encoding="utf-8")
    command = [*COMMAND, "tag", "-q", str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


def test_line_buffered_answers_before_the_next_record_is_sent(environment: dict[str, str]) -> None:
    command = [*COMMAND, "segment", "-q", "--line-buffered"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        for text in ("我在家", "", "他來了"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().decode().replace(" ", "") == f"{text}\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        watchdog.cancel()


@pytest.mark.parametrize("how", ["same", "symlink", "hardlink", "dotted"])
@pytest.mark.parametrize("command", ["tag", "embed"])
def test_a_file_that_is_read_is_not_replaced(lexel: Run, tmp_path: Path, how: str, command: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "我在"}\n', encoding="utf-8")
    if how == "symlink":
        out.symlink_to(source)
    elif how == "hardlink":
        out.hardlink_to(source)
    else:
        out = source if how == "same" else tmp_path / "." / "in.jsonl"
    said = one_error(lexel(command, "-q", source, "-o", out))
    assert f"{out}: is read" in said
    assert "would be replaced; expected another file to write" in said
    assert source.read_text(encoding="utf-8") == '{"text": "我在"}\n'


@pytest.mark.parametrize("mode", ["stdin", "stdout"])
def test_a_file_that_the_shell_opened_is_known_too(environment: dict[str, str], tmp_path: Path, mode: str) -> None:
    source = tmp_path / "in.txt"
    source.write_text(TEXT * 3, encoding="utf-8")
    arguments = ["-o", str(source)] if mode == "stdin" else [str(source)]
    with open(source, "rb") as reading, open(source, "ab") as appending:
        result = subprocess.run(
            [*COMMAND, "tag", "-q", *arguments],
            stdin=reading if mode == "stdin" else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if mode == "stdin" else appending,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert "expected another file to write" in one_error(result)
    assert source.read_text(encoding="utf-8") == TEXT * 3


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_a_report_does_not_replace_the_data_that_it_is_about(lexel: Run, tmp_path: Path, option: str) -> None:
    data = tmp_path / "dev.jsonl"
    data.write_text('{"text": "我在", "words": [[0, 1], [1, 2]]}\n', encoding="utf-8")
    before = data.read_bytes()
    said = one_error(lexel("evaluate", "-q", "--data", data, option, data))
    assert "would be replaced; expected another file to write" in said
    assert data.read_bytes() == before
