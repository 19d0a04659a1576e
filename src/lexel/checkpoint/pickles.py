"""Reads ``pytorch_model.bin`` without torch, and without running any code in it.

A pickle is a program for a small stack machine, and Python's own machine lets that program call any function. The
machine in this module supports only what a dictionary of tensors needs: two closed tables, one of instructions and one
of names. Nothing in them can call, import or change anything; anything else is refused by name, before it has any
effect. The reasons are in ``docs/design/reading-pickles.md``.

torch has used two formats. Since 1.6, it is a zip archive: ``data.pkl`` with the program, and one uncompressed entry
for each storage. Before, it was one stream: magic number, version, system, program, list of storages, then each
storage's length and bytes. Both are mapped; tensors are views, even if several share a storage or are transposed.
"""

from __future__ import annotations

import io
import logging
import math
import mmap
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.tensors import DTYPES, StoredTensor, map_file
from lexel.errors import WeightError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

STORAGES = {
    "torch DoubleStorage": "F64",
    "torch FloatStorage": "F32",
    "torch HalfStorage": "F16",
    "torch BFloat16Storage": "BF16",
    "torch LongStorage": "I64",
    "torch IntStorage": "I32",
    "torch ShortStorage": "I16",
    "torch CharStorage": "I8",
    "torch ByteStorage": "U8",
    "torch BoolStorage": "BOOL",
}
"""Names of element types; they mark storages and cannot be called."""

LARGEST_PROGRAM = 16 << 20
MOST_STEPS = 1_000_000
LARGEST_DIRECTORY = 16 << 20
"""Limits: bytes of the program and of the archive's list of entries, and number of executed instructions.

A model of 100 layers needs about 200 kB, 100 kB and 100,000.
"""

_MOST_DIMENSIONS = 32
_END_OF_DIRECTORY, _END_OF_DIRECTORY_64 = b"PK\5\6", b"PK\6\6"
_LONGEST_COMMENT = 1 << 16
STATE_DICTS = ("state_dict", "model_state_dict", "model")
"""Keys of the dictionary of tensors if a file holds more, such as the state of the optimiser."""

_ADVICE = "Take the file from a source you trust, or a model.safetensors instead"
_ZIP_ENTRY = struct.Struct("<4s22xHH")
_COUNT = struct.Struct("<q")
_logger = logging.getLogger("lexel")
_DAMAGE = (ValueError, TypeError, IndexError, KeyError, OverflowError, EOFError, RecursionError, struct.error)
_ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, OSError)


def read_bin(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a ``pytorch_model.bin`` as arrays, by name; bfloat16 is widened to float32.

    Raises:
        WeightError: If the file is damaged, contains anything but tensors, or claims more data than it has.
    """
    return {name: tensor.read() for name, tensor in map_bin(path).items()}


def map_bin(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a ``pytorch_model.bin`` as views of the mapped file, by name."""
    mapping = map_file(path)
    form = _zip_tensors if mapping[:4] == b"PK\x03\x04" else _stream_tensors
    try:
        return form(path, mapping)
    except (*_DAMAGE, *_ZIP_DAMAGE) as cause:
        raise WeightError(f"{path}: damaged ({cause}); expected a file by torch.save. Download it again") from cause


def shapes_of_program(program: bytes, *, where: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of each tensor in the program of a file, by name; the values are not needed.

    Raises:
        WeightError: If it is damaged, or contains anything but tensors.
    """
    try:
        found = _tensors_of(where, _Machine(where).run(io.BytesIO(program)))
    except _DAMAGE as cause:
        raise WeightError(f"{where}: damaged ({cause}); expected a file by torch.save") from cause
    return {name: (tensor.storage.dtype, tensor.shape) for name, tensor in found.items()}


class _Name(NamedTuple):
    """A name of the closed tables, in the place of the function or class itself."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """A part of a storage: ``n`` elements from ``start`` on."""

    dtype: str
    key: str
    start: int
    n: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor as the program describes it, not checked yet."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# The machine ---------------------------------------------------------------------------------------------------------


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """``torch._utils._rebuild_tensor_v2``: gradient flag, hooks and metadata do not affect the values."""
    if type(storage) is not _Storage or type(shape) is not tuple or type(strides) is not tuple:
        raise TypeError("a tensor without a storage, a shape or strides")
    if len(shape) != len(strides) or not all(type(size) is int and size >= 0 for size in (offset, *shape, *strides)):
        raise ValueError("a tensor whose offset, shape and strides are not natural numbers")
    if len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape)} dimensions")
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    """``torch._utils._rebuild_parameter``: the tensor in it."""
    return data


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    """``collections.OrderedDict``: every dict is ordered."""
    return {_key(key): value for key, value in pairs}


CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered,
    "torch._utils _rebuild_tensor": _rebuild_tensor,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
}
"""Names that a program may call, and Lexel's functions in their place; any other name is refused."""


def _key(key: Any) -> str | int:
    if type(key) not in (str, int):
        raise TypeError(f"a {type(key).__name__} as the key of a dictionary")
    return cast("str | int", key)


class _Machine:
    """The stack machine; its methods are the only instructions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.n_steps = 0

    def run(self, program: IO[bytes] | mmap.mmap) -> Any:
        """Run one program from the current position of the stream, and leave the stream after its end."""
        first = program.tell()
        for opcode, argument, position in pickletools.genops(cast(IO[bytes], program)):
            self.spend(1)
            if (position or first) - first > LARGEST_PROGRAM:
                raise WeightError(f"{self.path}: {self.too_long()}")
            if opcode.name == "STOP":
                return self.stack.pop()
            step = _STEPS.get(opcode.name)
            if step is None:
                raise WeightError(
                    f"{self.path}: the pickle uses the instruction {opcode.name}, which tensors do not need; "
                    f"it was not run. {_ADVICE}"
                )
            step(self, argument)
        raise EOFError("the pickle has no end")

    def spend(self, n_steps: int) -> None:
        """Count steps, so that no program runs forever."""
        self.n_steps += n_steps
        if self.n_steps > MOST_STEPS:
            raise WeightError(f"{self.path}: {self.too_long()}")

    @staticmethod
    def too_long() -> str:
        return (
            f"the pickle takes more than {MOST_STEPS:,} steps or {LARGEST_PROGRAM:,} bytes; expected a dictionary of "
            f"tensors. {_ADVICE}"
        )

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, n: int) -> tuple[Any, ...]:
        if len(self.stack) < n:
            raise IndexError("the pickle's stack is empty")
        values = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return tuple(values)

    def remember(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def extend(self, values: Any) -> None:
        self.holder(list).extend(values)

    def put(self, pairs: list[Any]) -> None:
        if len(pairs) % 2:
            raise ValueError("a key without a value")
        holder = self.holder(dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            holder[_key(key)] = value

    def holder(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"a {type(self.stack[-1]).__name__} where a {kind.__name__} is filled")
        return self.stack[-1]

    def look_up(self, name: str) -> None:
        if name not in CALLS and name not in STORAGES:
            raise WeightError(
                f"{self.path}: the pickle asks for {name.replace(' ', '.')[:200]!r}, which is not on the list "
                f"of names that tensors need; it was not run. {_ADVICE}"
            )
        self.push(_Name(name))

    def look_up_from_stack(self, _: Any) -> None:
        module, name = self.top(2)
        if type(module) is not str or type(name) is not str:
            raise TypeError("a name that is not a string")
        self.look_up(f"{module} {name}")

    def call(self, _: Any) -> None:
        function, arguments = self.top(2)
        if type(function) is not _Name or function.name not in CALLS or type(arguments) is not tuple:
            raise TypeError("a call of something that cannot be called")
        self.spend(sum(len(value) for value in arguments if isinstance(value, list | dict | tuple)))
        self.push(CALLS[function.name](*arguments))

    def set_state(self, _: Any) -> None:
        """An ``OrderedDict``'s attributes (``_metadata``: module versions), which do not affect the values."""
        self.top(1)
        self.holder(dict)

    def storage(self, _: Any) -> None:
        """``("storage", type, key, device, n[, view])``; a view is ``(key, start, n)`` or ``None``."""
        (found,) = self.top(1)
        kind, storage_type, key, _device, n, *view = found
        if (
            type(kind) is not str
            or kind != "storage"
            or type(storage_type) is not _Name
            or storage_type.name not in STORAGES
        ):
            raise TypeError("a reference to something that is not a storage")
        _, start, n = view[0] if view and view[0] is not None else (None, 0, n)
        if not all(type(size) is int and size >= 0 for size in (n, start)):
            raise ValueError("a storage whose start and length are not natural numbers")
        self.push(_Storage(STORAGES[storage_type.name], str(_key(key)), start, n))


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_WRITTEN_OUT = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"),
)

_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": _Machine.mark,
    **{name: lambda machine, value: machine.push(value) for name in _WRITTEN_OUT},
    **{name: lambda machine, _, value=value: machine.push(value) for name, value in _CONSTANTS.items()},  # type: ignore[misc]
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(machine.top(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.top(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.top(3)),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "APPEND": lambda machine, _: machine.extend(machine.top(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "SETITEM": lambda machine, _: machine.put(list(machine.top(2))),
    "SETITEMS": lambda machine, _: machine.put(machine.since_mark()),
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "BINGET": lambda machine, index: machine.push(machine.memo[index]),
    "LONG_BINGET": lambda machine, index: machine.push(machine.memo[index]),
    "GLOBAL": _Machine.look_up,
    "STACK_GLOBAL": _Machine.look_up_from_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.storage,
}
"""All supported instructions; ``STOP`` ends a program."""


# The two forms -------------------------------------------------------------------------------------------------------


def _zip_tensors(path: Path, mapping: mmap.mmap) -> dict[str, StoredTensor]:
    _check_directory(path, mapping)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        programs = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise WeightError(
                f"{path}: {len(programs)} entries are called data.pkl; expected one, as torch.save writes"
            )
        folder = programs[0].removesuffix("data.pkl")
        found = _Machine(path).run(io.BytesIO(_stored(path, mapping, entries[programs[0]], LARGEST_PROGRAM)))
        order_entry = entries.get(f"{folder}byteorder")
        order = b"little" if order_entry is None else _stored(path, mapping, order_entry, 16)
    if order != b"little":
        raise WeightError(f"{path}: byte order {order.decode('ascii', 'replace')!r}; expected 'little'. Save it again")

    def place(key: str) -> tuple[int, int]:
        entry = entries.get(f"{folder}data/{key}")
        if entry is None:
            raise WeightError(f"{path}: no entry '{folder}data/{key}', which a tensor lies in. Download the file again")
        return _stored_at(path, mapping, entry), entry.file_size

    return dict(_named_tensors(path, found, lambda storage: _elements(path, mapping, storage, *place(storage.key))))


def _check_directory(path: Path, mapping: mmap.mmap) -> None:
    """Refuse an archive whose list of entries would fill the memory.

    Its size is in the record at the file's end, or in a wider one directly before that.
    """
    end = mapping.rfind(_END_OF_DIRECTORY, max(len(mapping) - _LONGEST_COMMENT - 22, 0))
    if end < 0 or end + 22 > len(mapping):
        raise zipfile.BadZipFile("no list of entries at its end")
    (size,) = struct.unpack_from("<I", mapping, end + 12)
    wide = mapping.rfind(_END_OF_DIRECTORY_64, max(end - _LONGEST_COMMENT, 0), end)
    if wide >= 0 and wide + 48 <= len(mapping):
        size = max(size if size != 0xFFFFFFFF else 0, struct.unpack_from("<Q", mapping, wide + 40)[0])
    if size > LARGEST_DIRECTORY:
        raise WeightError(
            f"{path}: the archive's list of entries has {size:,} bytes; expected at most {LARGEST_DIRECTORY:,}. "
            f"{_ADVICE}"
        )


def _stored(path: Path, mapping: mmap.mmap, entry: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """The bytes of a small entry."""
    start = _stored_at(path, mapping, entry)
    if entry.file_size > most_bytes:
        raise WeightError(
            f"{path}: entry {entry.filename!r} has {entry.file_size:,} bytes; expected at most {most_bytes:,}. "
            f"{_ADVICE}"
        )
    data = mapping[start : start + entry.file_size]
    if zlib.crc32(data) != entry.CRC:
        raise WeightError(f"{path}: entry {entry.filename!r} is damaged, by its checksum. Download the file again")
    return data


def _stored_at(path: Path, mapping: mmap.mmap, entry: zipfile.ZipInfo) -> int:
    """The start of an entry's bytes in the file; the entry must be uncompressed."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
        raise WeightError(
            f"{path}: entry {entry.filename!r} is compressed; expected it stored, as torch.save writes it"
        )
    signature, n_name, n_extra = _ZIP_ENTRY.unpack_from(mapping, entry.header_offset)
    start = entry.header_offset + _ZIP_ENTRY.size + n_name + n_extra
    if signature != b"PK\x03\x04" or start + entry.file_size > len(mapping):
        raise WeightError(f"{path}: entry {entry.filename!r} does not lie inside the file. Download it again")
    return int(start)


def _stream_tensors(path: Path, mapping: mmap.mmap) -> dict[str, StoredTensor]:
    if mapping[257:262] == b"ustar":
        raise WeightError(
            f"{path}: written by torch before 0.1.10, which is not read. Save it again with a newer torch"
        )
    if mapping[:1] != b"\x80" or _Machine(path).run(mapping) != MAGIC:
        raise WeightError(f"{path}: begins with {mapping[:8]!r}; expected a file by torch.save")
    protocol, system = _Machine(path).run(mapping), _Machine(path).run(mapping)
    if protocol != PROTOCOL or type(system) is not dict or system.get("little_endian") is not True:
        raise WeightError(f"{path}: expected version {PROTOCOL} of torch.save's stream, little-endian. Save it again")
    found, keys = _Machine(path).run(mapping), _Machine(path).run(mapping)
    used = {tensor.storage.key: tensor.storage.dtype for tensor in _tensors_of(path, found).values()}
    places: dict[str, tuple[int, int]] = {}
    position = mapping.tell()
    for key in map(str, map(_key, keys)):
        if key not in used:
            raise WeightError(f"{path}: storage {key[:40]!r} belongs to no tensor, so its size is unknown")
        n_bytes = _COUNT.unpack_from(mapping, position)[0] * np.dtype(DTYPES[used[key]]).itemsize
        position += _COUNT.size
        if not 0 <= n_bytes <= len(mapping) - position:
            raise WeightError(
                f"{path}: a storage claims {n_bytes} bytes, {len(mapping) - position} are left in the file"
            )
        places[key] = position, n_bytes
        position += n_bytes
    missing = [key for key in used if key not in places]
    if missing:
        raise WeightError(f"{path}: storage {missing[0]!r} of a tensor is not in the file. Download it again")
    return dict(_named_tensors(path, found, lambda storage: _elements(path, mapping, storage, *places[storage.key])))


# From descriptions to arrays -----------------------------------------------------------------------------------------


def _is_state_dict(value: Any) -> bool:
    return type(value) is dict and bool(value) and all(isinstance(inner, _Tensor) for inner in value.values())


def _tensors_of(path: Path, found: Any) -> dict[str, _Tensor]:
    """The program's result, if it is a dictionary of tensors by name."""
    if type(found) is dict:
        key = next((key for key in STATE_DICTS if _is_state_dict(found.get(key))), None)
        if key is not None:
            _logger.info("%s: the tensors are under %r; the rest of the file is not read", path, key)
            found = found[key]
    if type(found) is not dict:
        raise WeightError(f"{path}: holds a {type(found).__name__}; expected a dictionary of tensors (a state_dict)")
    for name, value in found.items():
        if not isinstance(value, _Tensor) or not isinstance(name, str):
            nested = isinstance(value, dict) and any(isinstance(inner, _Tensor) for inner in value.values())
            advice = f"Save only its {name!r}" if nested else "Save the model's state_dict() alone"
            raise WeightError(
                f"{path}: entry {str(_key(name))[:200]!r} is a {type(value).__name__}, expected a tensor. {advice}"
            )
    return found


def _named_tensors(
    path: Path, found: Any, elements: Callable[[_Storage], NDArray[Any]]
) -> Iterator[tuple[str, StoredTensor]]:
    """Check each description against its storage, then take the view."""
    for name, tensor in _tensors_of(path, found).items():
        stored = elements(tensor.storage)
        n = math.prod(tensor.shape)
        last = tensor.offset + sum(
            (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
        )
        if n and (n > len(stored) or last >= len(stored)):
            raise WeightError(
                f"{path}: tensor {name!r} of shape {tensor.shape} needs {max(n, last + 1)} elements, "
                f"its storage holds {len(stored)}. Download the file again"
            )
        yield name, StoredTensor(tensor.storage.dtype, _view(stored, tensor, n), path.name)


def _view(stored: NDArray[Any], tensor: _Tensor, n: int) -> NDArray[Any]:
    if not n:
        return np.empty(tensor.shape, stored.dtype)
    strides = [
        stride * stored.itemsize if size > 1 else 0 for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(stored[tensor.offset :], tensor.shape, strides)


def _elements(path: Path, mapping: mmap.mmap, storage: _Storage, position: int, n_bytes: int) -> NDArray[Any]:
    """A storage's elements ``[n]`` as a view of the file, which must have as many as claimed."""
    dtype = np.dtype(DTYPES[storage.dtype])
    start, n = position + storage.start * dtype.itemsize, storage.n
    if (storage.start + n) * dtype.itemsize > n_bytes:
        raise WeightError(
            f"{path}: storage {storage.key!r} claims {n} elements of {dtype.itemsize} bytes, "
            f"the file holds {n_bytes} bytes of it. Download the file again"
        )
    return np.frombuffer(mapping, dtype, n, start)
