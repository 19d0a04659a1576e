"""Collects the facts for a card from the files of a model folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lexel.cards.metadata import read_metadata
from lexel.cards.speed import Speed
from lexel.checkpoint.config import read_config
from lexel.checkpoint.heads import FolderHeads, Head, read_heads
from lexel.checkpoint.sentence_transformers import is_sentence_folder
from lexel.disk import write_json
from lexel.encoder.family import ModelConfig
from lexel.errors import CheckpointError
from lexel.jsonfile import read_object
from lexel.names import TAGGING

TRAINING, EVALUATION, ANSWERS, PLOT = "training.json", "evaluation.json", "card.json", "training.svg"
RELIABILITY_PLOT = "reliability.svg"
NO_BASE = "none"
"""The answer for a model that was not made from another."""
ROLES = ("train", "validation", "test")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data file that was used for the model.

    Attributes:
        role: ``train``, ``validation`` or ``test``.
        name: Its name.
            values: The known facts: ``path``, ``sha256``, ``licence``, ``source`` (its authors), counts, languages,
            scripts.
    """

    role: str
    name: str
    values: Values

    def count(self, key: str) -> int | None:
        """A count, if it is known."""
        value = self.values.get(key)
        return value if isinstance(value, int) else None

    @property
    def set_name(self) -> str:
        """Its name without a recipe's remark in parentheses, such as ``(simplified)``."""
        return self.name.partition(" (")[0]

    @property
    def licence(self) -> str | None:
        """Its licence, if one is stated."""
        return self.values.get("licence") or None


@dataclass(frozen=True)
class Facts:
    """All known facts of a model.

    Attributes:
        folder: Its folder.
        config: The contents of ``config.json``.
        heads: Its heads, and the other contents of ``lexel.json``.
        training: ``training.json``; empty without one.
        reports: The reports in ``evaluation.json``.
        previous: Metadata of its earlier card.
        answers: The user's answers.
        speed: The speed measured on this machine.
    """

    folder: Path
    config: ModelConfig
    heads: FolderHeads
    training: Values
    reports: Sequence[Values]
    previous: Values
    answers: Mapping[str, str]
    speed: Speed | None = field(default=None)

    def answer(self, *names: str) -> str | None:
        """The user's answer under the first of several names that has one."""
        return next((self.answers[name] for name in names if self.answers.get(name)), None)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.answer("name") or self._folder_name

    @property
    def place(self) -> str:
        """Its name in commands: its hub id, or the folder's name."""
        return self.answer("hub_id") or self._folder_name

    @property
    def _folder_name(self) -> str:
        """The folder's name; while training still uses a temporary folder, the final name."""
        name = self.folder.resolve().name
        output = (self.training.get("options") or {}).get("output_dir")
        return Path(output).resolve().name if name.endswith((".partial", ".part")) and output else name

    @property
    def base(self) -> Values:
        """The model that it was made from: ``id``, ``revision``, ``licence``; empty if none is known."""
        if self.answer("base") == NO_BASE:  # the user's answer: an earlier stage of the same training is not a base
            return {}
        found = dict((self.training.get("base") if self.training else self.heads.base) or {})
        if not found.get("id"):
            id = self.answer("base") or ("" if self.training else _first(self.previous.get("base_model")))
            found = {**found, "id": id} if id not in ("", NO_BASE) else {}
        if found and self.answer("base_licence"):
            found["licence"] = self.answer("base_licence")
        return found

    @property
    def hub_base(self) -> str | None:
        """The hub id of the model that it was made from, if it is on the hub."""
        id = self.base.get("id")
        is_known = id is not None and id in (_first(self.previous.get("base_model")), self.answer("base"))
        return id if id is not None and (is_known or self.base.get("commit") or "/" in id.strip("./")) else None

    @property
    def is_from_scratch(self) -> bool:
        """Whether it is known to be trained from random weights."""
        return not self.base and (bool(self.training) or self.answer("base") == NO_BASE)

    @property
    def licence(self) -> str | None:
        """The licence of the weights, if it is known."""
        named = self.previous.get("license")
        if named == "other":
            named = self.previous.get("license_name") or self.previous.get("license_link")
        return self.answer("licence", "license") or _joined(named)

    @cached_property
    def data(self) -> list[DataSet]:
        """The data files, those for training first; a licence given by the user takes precedence."""
        rows = list(_data_rows(self.training, self.reports))
        order = sorted(rows, key=lambda row: ROLES.index(row.role) if row.role in ROLES else len(ROLES))
        return [self._with_answer(row) for row in order]

    def _with_answer(self, row: DataSet) -> DataSet:
        licence = self.answer(f"licence.{row.name}") or row.licence
        return DataSet(row.role, row.name, {**row.values, "licence": licence})

    @property
    def languages(self) -> list[str]:
        """ISO codes of its languages."""
        said = self.answer("language", "languages")
        if said:
            return [part.strip() for part in said.replace(";", ",").split(",") if part.strip()]
        named = [code for row in self.data if row.role == "train" for code in row.values.get("languages") or ()]
        previous = self.previous.get("language") or ()
        return list(dict.fromkeys(named)) or ([previous] if isinstance(previous, str) else list(previous))

    @property
    def scripts(self) -> dict[str, int]:
        """Characters of each script in the training data."""
        total: dict[str, int] = {}
        for row in self.data:
            for script, n in (row.values.get("scripts") or {}).items() if row.role == "train" else ():
                total[script] = total.get(script, 0) + int(n)
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    @cached_property
    def n_parameters(self) -> int | None:
        """The number of its parameters; ``None`` if they are not in safetensors files."""
        said = (self.training.get("model") or {}).get("parameters")
        return said if isinstance(said, int) else _n_stored(self.folder)

    @property
    def tasks(self) -> list[str]:
        """The tasks of its heads; without heads, files of sentence-transformers define how vectors are made."""
        tasks: list[str] = [head.task for head in self.heads.heads.values()]
        return [*tasks, "embed"] if is_sentence_folder(self.folder) and "embed" not in tasks else tasks

    @property
    def tagging_heads(self) -> list[Head]:
        """The heads that tag."""
        return [head for head in self.heads.heads.values() if head.task in TAGGING]

    def report_name(self, report: Values) -> tuple[str, str | None]:
        """The name of a report's data, and its split."""
        data = report.get("data") or {}
        rows = [row for row in self.data if row.values.get("sha256") == data.get("sha256")]
        if rows:  # a file can have two roles
            row = next((row for row in rows if row.role == data.get("role")), rows[0])
            return row.name, row.role
        return data.get("name") or Path(str(data.get("file", "data"))).name, data.get("role")

    def report_title(self, report: Values) -> str:
        """The readable name of a report's data, with the split named once."""
        name, role = self.report_name(report)
        return name if role is None or role in name.lower().split() else f"{name}, {role}"


def gather(folder: Path, *, answers: Values) -> Facts:
    """Read the facts from a model folder's files.

    Args:
        folder: The model.
        answers: The user's answers; they override earlier answers (``card.json``) and those given to training.

    Raises:
        CheckpointError: If it is not a model folder, or one of its files cannot be read.
        LabelError: If its labels have no meaning.
    """
    config = read_config(folder)
    training = _object(folder / TRAINING)
    asked = (training.get("options") or {}).get("card") or {}
    earlier = _object(folder / ANSWERS).get("answers") or {}
    return Facts(
        folder=folder,
        config=config,
        heads=read_heads(folder, config),
        training=training,
        reports=_object(folder / EVALUATION).get("reports") or [],
        previous=read_metadata(folder),
        answers={**_texts(asked), **_texts(earlier), **_texts(answers)},
    )


def keep(path: Path, values: Values) -> None:
    """Save facts in a file of the folder, replacing earlier ones.

    Raises:
        CheckpointError: If writing fails; the earlier file is then unchanged.
    """
    try:
        write_json(path, values)
    except OSError as cause:
        raise CheckpointError(
            f"{path}: cannot be written ({cause.strerror}); the file is unchanged. Free some disk space and try again"
        ) from cause


def _data_rows(training: Values, reports: Sequence[Values]) -> Iterator[DataSet]:
    """The training files, then those used only for measuring; a file with two roles is listed under both."""
    seen = set()
    for values in training.get("data") or ():
        seen.add(values.get("sha256"))
        yield DataSet(str(values.get("role")), str(values.get("name") or Path(str(values["path"])).name), values)
    for report in reports:
        data = report.get("data") or {}
        if data.get("sha256") in seen:
            continue
        seen.add(data.get("sha256"))
        path = str(data.get("file", ""))
        name = str(data.get("name") or Path(path).stem)
        results = report.get("results") or {}
        counts = {"documents": results.get("n_documents"), "chars": results.get("n_chars")}
        yield DataSet(str(data.get("role") or "test"), name, {**counts, **data, "path": Path(path).name})


def _n_stored(folder: Path) -> int | None:
    """The number of parameters in a folder's safetensors files, from their headers only."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    return total or None


def _object(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _texts(values: Values) -> dict[str, str]:
    """Answers as strings; lists are joined by commas."""
    return {key: _joined(value) or "" for key, value in values.items() if value is not None}


def _joined(value: Any) -> str | None:
    if value is None or value == []:
        return None
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _first(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value or "")
