"""Ways to break a file: by bytes, by JSON values, by what its format would make a careless reader do.

Everything is drawn from a ``random.Random`` that the caller seeds, so a case is the same on every machine.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

CANARY = "CANARY"
"""The file that planted code would write into the current folder."""

LONG_NUMBER = "LONG_NUMBER"
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**9, 2**31, 2**63, 10**20, -(10**12), 0.5, 1e308, -1e-300, LONG_NUMBER),
    *("", "a", "B-PER", "x" * 100_000, "\ud800", "\x1b[31m\r\n", "../../etc/passwd", "/etc/passwd", "a\0b", "😀" * 9),
    *([], {}, [[]], [None], {"a": 1}, ["a", 1], [1] * 1000, {"": {}}, "bert", "gelu", "chars", "embed", "O", ["O"] * 9),
)


def broken_bytes(random: Random, data: bytes) -> bytes:
    """A file with some bytes changed, lost, doubled, or all of them replaced."""
    at, n = random.randrange(len(data) + 1), random.choice((1, 1, 4, 64, 1000))
    junk = random.randbytes(n)
    return random.choice(
        (
            lambda: data[:at] + junk + data[at + n :],
            lambda: data[:at] + bytes([random.choice(b'{}[]",:0-\\\n\r\t\0\xff')]) + data[at + 1 :],
            lambda: data[:at],
            lambda: data[:at] + data[at + n :],
            lambda: data[: at + n] + data[at:],
            lambda: data[:at] + b"\0" * n + data[at + n :],
            lambda: data + junk,
            lambda: junk,
            lambda: b"",
            lambda: data[::-1],
        )
    )()


def broken_json(random: Random, data: bytes) -> bytes:
    """A JSON file with one to three of its values or keys changed."""
    value = json.loads(data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _changed(random, value)
    text = json.dumps(value)
    if LONG_NUMBER in text:
        text = text.replace(f'"{LONG_NUMBER}"', "9" * 5000)
    if random.random() < 0.03:
        text = text.replace(":", ": " + "[" * 200, 1)
    if random.random() < 0.03 and text.startswith("{") and len(text) > 2:
        text = text[:-1] + "," + text[1:]
    return text.encode("utf-8", "surrogatepass")


def _changed(random: Random, value: Any) -> Any:
    """The value with something in it changed; deeper places are as likely as shallow ones."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        how = random.random()
        if how < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        if how < 0.15:
            return {**value, str(random.choice(_VALUES))[:300]: random.choice(_VALUES)}
        if how < 0.2:
            return {(key + "x" if name == key else name): inner for name, inner in value.items()}
        return {**value, key: _changed(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        how = random.random()
        if how < 0.1:
            return value[:at] + value[at + 1 :]
        if how < 0.2:
            return value[:at] + value[at : at + 1] * random.choice((2, 50)) + value[at + 1 :]
        return [*value[:at], _changed(random, value[at]), *value[at + 1 :]]
    return random.choice(_VALUES)


def broken_header(random: Random, data: bytes) -> bytes:
    """A safetensors file whose header, or the length of it, is changed."""
    length = struct.unpack_from("<Q", data)[0]
    header, body = data[8 : 8 + length], data[8 + length :]
    header = random.choice((broken_json, broken_json, broken_bytes))(random, header)
    said = random.choice((len(header), len(header), len(header), len(header) + 8, 2**63, 0, 10**8))
    return struct.pack("<Q", said) + header + body


def broken_numbers(random: Random, data: bytes) -> bytes:
    """A safetensors file with numbers that are none, or huge."""
    length = struct.unpack_from("<Q", data)[0]
    body = bytearray(data)
    at = 8 + length + 4 * random.randrange((len(data) - 8 - length) // 4)
    struct.pack_into("<f", body, at, random.choice((float("nan"), float("inf"), -float("inf"), 3e38)))
    return bytes(body)


# Pickles -------------------------------------------------------------------------------------------------------------


class _Code:
    """An object whose pickle calls a function."""

    def __init__(self, *call: Any) -> None:
        self._call = call

    def __reduce__(self) -> Any:
        return self._call


def _planted(random: Random) -> Any:
    import os
    import subprocess

    script = f"open({CANARY!r}, 'w').write('x')"
    return random.choice(
        (
            _Code(exec, (script,)),
            _Code(eval, (script,)),
            _Code(os.system, (f"touch {CANARY}",)),
            _Code(subprocess.Popen, (["touch", CANARY],)),
            _Code(open, (CANARY, "w")),
            _Code(print, ("x",)),
        )
    )


def torch_archive(tensors: Mapping[str, NDArray[np.float32]], *, inside: str | None = None) -> bytes:
    """Tensors as ``torch.save`` writes them, byte by byte, so that nothing here needs torch.

    Args:
        tensors: The tensors by name.
        inside: A key of the dictionary that holds them beside other things, as in a checkpoint of training.
    """
    program = _program(tensors)
    if inside is not None:
        program = b"\x80\x02}(" + _string("epoch") + _number(3) + _string(inside) + program[2:-1] + b"u."
    return _zipped(program, {str(i): value.tobytes() for i, value in enumerate(tensors.values())})


def _program(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    out = io.BytesIO()
    out.write(b"\x80\x02}(")
    for i, (name, value) in enumerate(tensors.items()):
        strides = [stride // 4 for stride in value.strides]
        out.write(_string(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((")
        out.write(_string("storage") + b"ctorch\nFloatStorage\n" + _string(str(i)) + _string("cpu"))
        out.write(_number(value.size) + b"tQ" + _number(0) + _tuple(value.shape) + _tuple(strides))
        out.write(b"\x89ccollections\nOrderedDict\n)RtR")
    out.write(b"u.")
    return out.getvalue()


def _string(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _tuple(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def _zipped(program: bytes, storages: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        for name, data in storages.items():
            archive.writestr(f"archive/data/{name}", data)
    return out.getvalue()


def broken_archive(random: Random, data: bytes) -> bytes:
    """A ``pytorch_model.bin`` with another program, other instructions in it, planted code, or a bomb."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    program = entries.pop("archive/data.pkl")
    storages = {name.removeprefix("archive/data/"): value for name, value in entries.items()}
    planted = pickle.dumps({"a": _planted(random)}, random.choice((0, 2, 4)))
    opcodes = b"\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x90\x91\x93\x95()0123.FGIJKLMNPQRSTUVX]abcdeghijlopqrstu}"
    at = random.randrange(len(program))
    return random.choice(
        (
            lambda: _zipped(planted, storages),
            lambda: planted,
            lambda: _zipped(program[:-1] + planted, storages),
            lambda: _zipped(program[:at] + bytes([random.choice(opcodes)]) + program[at + 1 :], storages),
            lambda: _zipped(program[:at] + bytes([random.choice(opcodes)]) + program[at:], storages),
            lambda: _zipped(program[:at] + random.randbytes(8) + program[at + 8 :], storages),
            lambda: _zipped(program[:at], storages),
            lambda: _zipped(program.replace(b"FloatStorage", b"CharStorage"), storages),
            lambda: _zipped(program, {name: value[:5] for name, value in storages.items()}),
            lambda: _zipped(program, {}),
            lambda: _zipped(program, storages | {"0": b"\0" * 30_000_000}, compression=zipfile.ZIP_DEFLATED),
            lambda: _zipped(b"\x80\x02" + b"(" * 200_000 + b"." + program, storages),
            lambda: broken_bytes(random, data),
        )
    )()


# Tokenizers ----------------------------------------------------------------------------------------------------------

_PATTERNS = (
    "(a+)+$",
    "(a|aa)*b",
    "(.*)*x",
    r"(\w+\s?)*:",
    ".*.*.*x",
    "a{1,999}{1,999}",
    "(?<=a+)b",
    "(",
    "x*",
    r"\p{L}+",
    "[^",
)


def _hostile_steps(random: Random) -> tuple[str, Any]:
    pattern: Any = {"Regex": random.choice(_PATTERNS)}
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * random.choice((0, 1, 10, 900))}
    steps: tuple[tuple[str, Any], ...] = (
        ("pre_tokenizer", {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}),
        ("pre_tokenizer", {"type": "Split", "pattern": {"String": ""}, "behavior": "Removed", "invert": True}),
        ("pre_tokenizer", {"type": "FixedLength", "length": random.choice((0, 1))}),
        ("pre_tokenizer", {"type": "Metaspace", "replacement": "ab", "prepend_scheme": "always", "split": True}),
        ("pre_tokenizer", None),
        ("normalizer", {"type": "Replace", "pattern": pattern, "content": "a" * 900}),
        ("normalizer", {"type": "Sequence", "normalizers": [replace] * random.choice((1, 3, 50))}),
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": random.choice(("", "AAAA", "BAAAAP////8="))}),
        ("normalizer", {"type": "Prepend", "prepend": random.choice(("", "a" * 5000))}),
        ("normalizer", {"type": "Lowercase"}),
        ("decoder", {"type": "Strip", "content": "a", "start": 10**9, "stop": 1}),
        ("post_processor", {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
        ("post_processor", {"type": "BertProcessing", "sep": ["x", 2**32 - 1], "cls": ["y", 3]}),
        ("post_processor", {"type": "RobertaProcessing", "sep": ["x", 99_999], "cls": ["y", 3]}),
        ("truncation", {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 9}),
        ("padding", {"strategy": "BatchLongest", "pad_to_multiple_of": 0, "pad_id": 0, "pad_token": "a"}),
        ("added_tokens", [{"id": 2**31, "content": "", "special": True}] * random.choice((1, 9))),
    )
    return random.choice(steps)


def broken_tokenizer(random: Random, data: bytes) -> bytes:
    """A tokenizer.json with one or two steps that the library could not survive."""
    values = json.loads(data)
    for _ in range(random.choice((1, 1, 2))):
        part, step = _hostile_steps(random)
        values[part] = step
    model = values["model"]
    if random.random() < 0.2:
        model["continuing_subword_prefix"] = random.choice(("##", "é是", "x" * 50))
    if random.random() < 0.1:
        model["max_input_chars_per_word"] = random.choice((0, 2**62))
    return json.dumps(values).encode()


def broken_lines(random: Random, data: bytes) -> bytes:
    """A file of lines with lines lost, doubled, emptied, or very many more."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    return random.choice(
        (
            lambda: b"\n".join(lines[:at] + lines[at + 1 :]),
            lambda: b"\n".join([*lines[:at], lines[0], *lines[at:]]),
            lambda: b"\n".join([*lines[:at], b"", *lines[at + 1 :]]),
            lambda: b"\r\n".join(lines),
            lambda: data + b"a\n" * random.choice((1, 1000, 3_000_000)),
            lambda: data + b"x" * 1_000_000,
            lambda: b"\n".join([*lines[:at], b"\xff\xfe", *lines[at:]]),
            lambda: b"\n".join(sorted(lines)),
        )
    )()


def broken_xml(random: Random, data: bytes) -> bytes:
    """A graph with other operations, sizes or places of its numbers."""
    parts = data.split(b'"')
    at = random.randrange(1, len(parts) - 1, 2)
    parts[at] = random.choice((b"", b"-1", b"0", b"999999999999", b"Tile", b"Loop", b"If", b"f64", b"i4", b"x" * 9000))
    doctype = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><net>&c;</net>'
    return random.choice((lambda: b'"'.join(parts), lambda: broken_bytes(random, data), lambda: doctype))()


Break = Callable[[Random, bytes], bytes]

BY_SUFFIX: Mapping[str, Sequence[Break]] = {
    ".json": (broken_json, broken_json, broken_json, broken_bytes),
    ".safetensors": (broken_header, broken_header, broken_numbers, broken_bytes),
    ".bin": (broken_archive,),
    ".txt": (broken_lines, broken_bytes),
    ".xml": (broken_xml,),
    ".md": (broken_bytes, broken_lines),
    ".yaml": (broken_lines, broken_bytes),
}
"""How a file is broken, by the ending of its name."""
