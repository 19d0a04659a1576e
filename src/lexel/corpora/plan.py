"""The plan of a job: its inputs, shards, steps and models.

It is written before the first shard, and every later run is compared with it. It holds everything that the output
depends on, so the number of workers is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, get_args

import lexel
from lexel.checkpoint.source import fetch
from lexel.corpora.settings import settings_of
from lexel.corpora.steps import CorpusStep, Step
from lexel.corpora.store import PLAN, Store
from lexel.data.files import ending_of
from lexel.data.places import expand, facts_of
from lexel.data.records import RECORD_FORMATS, RecordColumns, Slice, record_format, scan_file
from lexel.disk import refused, sha256_of
from lexel.errors import DataError, OptionError

FORMAT = 2
SHARD_RECORDS = 2_000
SHARD_BYTES = 8 << 20
"""Maximum size of a shard, so that memory use does not depend on the length of records."""

OnError = Literal["stop", "skip", "file"]
_MODEL_FILES = (".json", ".txt", ".model", ".safetensors", ".bin", ".xml")
_NOT_OF_THE_MODEL = {"card.json", "evaluation.json", "training.json"}


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How inputs are read and shards are made.

    Attributes:
        format: A name in ``lexel.data.records.RECORD_FORMATS``; by default, by each file's ending.
        text_column: The column of the text.
        id_column: The column of the record's id.
        keep: Which other columns are kept: ``all``, ``none`` or their names.
        encoding: Encoding of the inputs.
        on_error: What to do with records that cannot be read: ``stop``, ``skip``, or ``file`` (list them in a file).
        shard_records: Records per shard.
        shard_bytes: Maximum size of a shard in bytes.
        seed: Seed of all random choices.
        engine: Name of the engine.
        precision: Precision of the models.
        device: Device of the models.
    """

    format: str | None = None
    text_column: str = "text"
    id_column: str = "id"
    keep: str | tuple[str, ...] = "all"
    encoding: str = "utf-8"
    on_error: OnError = "stop"
    shard_records: int = SHARD_RECORDS
    shard_bytes: int = SHARD_BYTES
    seed: int = 42
    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None

    def __post_init__(self) -> None:
        if self.on_error not in get_args(OnError):
            raise OptionError(f"on_error is {self.on_error!r}; expected one of {', '.join(get_args(OnError))}")
        for name in ("shard_records", "shard_bytes"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.format is not None and self.format not in RECORD_FORMATS:
            raise OptionError(f"format is {self.format!r}; expected one of {', '.join(RECORD_FORMATS)}")

    @property
    def columns(self) -> RecordColumns:
        """The columns that are read."""
        return RecordColumns(self.text_column, self.id_column, self.keep)


@dataclass(frozen=True, slots=True)
class Input:
    """A file of the job.

    Attributes:
        path: Its path.
        format: Its format.
        bytes: Its size on disk.
        sha256: Its checksum.
        modified_ns: Time of its last change; if size and time are the same, the checksum is not computed again.
        records: Number of records; blank lines count.
    """

    path: str
    format: str
    bytes: int
    sha256: str
    modified_ns: int
    records: int


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A shard: a range of records of one input.

    Attributes:
        number: Its number, from 0.
        input: The file.
        slice: The records.
    """

    number: int
    input: Input
    slice: Slice

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"part-{self.number:06d}"


@dataclass(frozen=True)
class Plan:
    """Everything that the output of a job depends on.

    Attributes:
        options: How inputs are read.
        inputs: The files.
        steps: The steps as in ``plan.json``, with the checksums of their models and files.
        slices: The shards: for each, the number of an input and a slice of it.
        made_by: The version of Lexel.
    """

    options: JobOptions
    inputs: tuple[Input, ...]
    steps: tuple[dict[str, Any], ...]
    slices: tuple[tuple[int, Slice], ...]
    made_by: str = lexel.__version__

    def __len__(self) -> int:
        return len(self.slices)

    def __iter__(self) -> Iterator[ShardPlan]:
        return map(self.shard, range(len(self)))

    def shard(self, number: int) -> ShardPlan:
        """One of its shards."""
        which, lines = self.slices[number]
        return ShardPlan(number, self.inputs[which], lines)

    @property
    def records(self) -> int:
        """Number of records in all inputs; blank lines count."""
        return sum(one.records for one in self.inputs)

    @cached_property
    def key(self) -> str:
        """A checksum of the plan; each shard stores the checksum of its plan."""
        values = self.as_json()
        for one in values["inputs"]:
            del one["modified_ns"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """The content of ``plan.json``."""
        return {
            "format": FORMAT,
            "made_by": self.made_by,
            "options": asdict(self.options),
            "inputs": [asdict(one) for one in self.inputs],
            "steps": list(self.steps),
            "shards": [[which, lines.first, lines.count, lines.start, lines.end] for which, lines in self.slices],
        }


def build_plan(inputs: Sequence[str], steps: Sequence[Step], *, options: JobOptions, known: Plan | None = None) -> Plan:
    """Read the inputs, the models and the files of the steps, and cut the inputs into shards.

    Args:
        inputs: The files, in order.
        steps: The steps.
        options: How the inputs are read.
        known: An earlier plan; inputs that have not changed since then are not read again.

    Raises:
        DataError: If an input cannot be read, or a job cannot use it.
        CheckpointError: If a model cannot be used.
    """
    _check_order(steps)
    if not inputs:
        raise OptionError("a job needs inputs; found none; expected files of records")
    found: list[Input] = []
    slices: list[tuple[int, Slice]] = []
    for which, path in enumerate(expand(inputs)):
        one, cut = _looked_at(path, options, known)
        found.append(one)
        slices += ((which, lines) for lines in cut)
    paths = [one.path for one in found]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise OptionError(f"{twice[0]}: is given twice; expected each input once")
    return Plan(options, tuple(found), tuple(_described(step) for step in steps), tuple(slices))


def _check_order(steps: Sequence[Step]) -> None:
    """Refuse an order of steps in which a model would read everything twice."""
    for at, step in enumerate(steps):
        before = [earlier.name for earlier in steps[:at] if earlier.is_model_step]
        if isinstance(step, CorpusStep) and before:
            raise OptionError(
                f"steps: {step.name!r} stands after {before[0]!r}; it reads the whole corpus before it decides, so the "
                f"model would read everything twice. Put {step.name!r} before {before[0]!r}"
            )


def _looked_at(path: str, options: JobOptions, known: Plan | None) -> tuple[Input, tuple[Slice, ...]]:
    format = options.format or _format_of(path)
    try:
        facts = facts_of(path)
    except OSError as error:
        planned = known is not None and path in (one.path for one in known.inputs)
        what = "is missing" if planned else refused(error)
        advice = "the input of the plan. Put it back and run again" if planned else "a file to read"
        raise DataError(f"{path}: {what}; expected {advice}") from error
    if known is not None and known.options == options:
        for which, one in enumerate(known.inputs):
            if (one.path, one.format, one.bytes, one.modified_ns) == (path, format, *facts):
                return one, tuple(lines for owner, lines in known.slices if owner == which)
    scan = scan_file(
        path,
        RECORD_FORMATS[format],
        records=options.shard_records,
        most_bytes=options.shard_bytes,
        encoding=options.encoding,
        columns=options.columns,
    )
    records = sum(part.count for part in scan.slices)
    return Input(path, format, scan.bytes, scan.sha256, facts.modified_ns, records), scan.slices


def _format_of(path: str) -> str:
    return record_format(path).name if ending_of(path) else "text"


def _described(step: Step) -> dict[str, Any]:
    """The entry of a step in a plan."""
    described: dict[str, Any] = {"step": step.name, "options": settings_of(step)}
    parts = {
        "models": {str(model or "bundled"): digest_of_model(model) for model in step.models()},
        "files": {path: sha256_of(path) for path in step.files()},
        "packages": {name: _version_of(name) for name in step.packages()},
        "keys": step.secrets(),
    }
    return described | {name: values for name, values in parts.items() if values}


def digest_of_model(source: str | None) -> str:
    """A checksum of all files in a model folder that affect its results.

    Raises:
        CheckpointError: If there is no such model.
    """
    folder = fetch(source).folder
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _MODEL_FILES and path.name not in _NOT_OF_THE_MODEL:
            total.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return total.hexdigest()


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def load_plan(store: Store) -> Plan | None:
    """The plan of a folder; ``None`` if the folder has no plan.

    Raises:
        DataError: If this version cannot read it.
    """
    values = store.read_json(PLAN)
    if values is None:
        return None
    where = store.where(PLAN)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(f"{where}: is no plan of format {FORMAT}; expected the folder of a job. Choose another --out")
    try:
        known = {field.name for field in fields(JobOptions)}
        options = {name: value for name, value in values["options"].items() if name in known}
        keep = options.get("keep")
        return Plan(
            JobOptions(**{**options, "keep": tuple(keep) if isinstance(keep, list) else keep}),
            tuple(Input(**one) for one in values["inputs"]),
            tuple(values["steps"]),
            tuple((which, Slice(*lines)) for which, *lines in values["shards"]),
            values["made_by"],
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{where}: is damaged ({error}); expected a plan as it was written. Start in a new folder"
        ) from error


BEGIN_ELSEWHERE = "Put it back, or use another folder with --out"


def check_same(old: Plan, new: Plan, *, where: str, advice: str = BEGIN_ELSEWHERE) -> None:
    """Refuse to resume with another plan than the folder's own.

    Args:
        old: The plan of the folder.
        new: The plan of this run.
        where: The name of the old plan in messages.
        advice: What to do.

    Raises:
        DataError: Naming the first difference.
    """
    difference = next(_differences(_comparable(old), _comparable(new), ""), None)
    if difference is None:
        return
    what, before, now = difference
    raise DataError(
        f"{where}: {what} is {_shown(now)}, the plan has {_shown(before)}; expected the job that was begun here. "
        f"{advice}"
    )


def _comparable(plan: Plan) -> dict[str, Any]:
    """The plan with names in place of numbers, so that messages name differences in familiar terms."""
    values = json.loads(json.dumps(plan.as_json()))
    inputs = {one["path"]: {key: one[key] for key in ("format", "bytes", "sha256")} for one in values["inputs"]}
    steps = {f"step {number} ({step['step']})": step for number, step in enumerate(values["steps"], 1)}
    return {
        "options": values["options"],
        "the number of inputs": len(inputs),
        "inputs": inputs,
        "the list of steps": [step["step"] for step in values["steps"]],
        "steps": steps,
        "the version of Lexel": values["made_by"],
        "the cut into shards": hashlib.sha256(json.dumps(values["shards"]).encode()).hexdigest(),
    }


def _differences(old: Any, new: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _differences(old.get(name), new.get(name), f"{where}: {name}" if where else name)
    elif old != new:
        yield where.removeprefix("inputs: ").removeprefix("steps: ").removeprefix("options: "), old, new


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}..."
    if isinstance(value, Mapping):
        return "another one" if len(value) > 3 else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
