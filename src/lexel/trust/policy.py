"""A project's policy: the table ``[policy]`` of ``lexel.toml``, or ``[tool.lexel.policy]`` of ``pyproject.toml``.

    [policy]
    licences = ["permissive", "share-alike", "mpl-2.0"]   # verdicts, or identifiers
    unknown = "refuse"                                    # or "warn", "allow"
    pinned = true                                         # hub ids only at a commit
    safetensors = true
    owners = ["google-bert", "dslim"]
    largest = "2 GB"
    locked = true                                         # nothing but what lexel.lock holds

    [[policy.exceptions]]
    model = "ckiplab/bert-base-chinese-*"
    rules = ["licence"]                                   # every rule, if left out
    who = "Ada Lin"
    why = "internal evaluation, nothing is passed on"
    until = 2027-01-31

The nearest file in the working directory or a folder above it counts. ``LEXEL_POLICY`` names another file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from lexel.disk import open_regular, refused
from lexel.errors import PolicyError
from lexel.jsonfile import read_bounded
from lexel.licences import Kind, identifier_of, kind_of
from lexel.near import nearest_name
from lexel.trust.findings import EXCUSABLE
from lexel.trust.places import folders_above, is_there

FILE, PROJECT = "lexel.toml", "pyproject.toml"
VARIABLE = "LEXEL_POLICY"
"""The variable for the policy's file."""

OnUnknown = Literal["refuse", "warn", "allow"]
KINDS = frozenset(get_args(Kind)) - {"unknown"}

_LARGEST_FILE_BYTES = 1_000_000
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?I?B)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allowance:
    """An exception from the policy, with a responsible person.

    Attributes:
        model: A pattern for its models (``owner/*``).
        who: The responsible person.
        why: The reason.
        until: The last day on which it applies.
        rules: The rules that it applies to.
    """

    model: str
    who: str
    why: str
    until: date
    rules: tuple[str, ...] = EXCUSABLE

    def is_about(self, model: str, rule: str) -> bool:
        """Whether it applies to a model, named with or without its revision, and to a rule."""
        return rule in self.rules and any(fnmatchcase(name, self.model) for name in (model, model.partition("@")[0]))


@dataclass(frozen=True, slots=True)
class Policy:
    """The allowed models. A setting without a value allows everything.

    Attributes:
        where: The file, for messages.
        licences: Allowed verdicts and identifiers; ``None``: any.
        unknown: What to do with a model whose licence is unknown.
        pinned: Allow hub models only at a commit.
        safetensors: Refuse ``pytorch_model.bin``.
        owners: Allowed owners on the hub; ``None``: any.
        largest: Maximum total size of a model's files in bytes.
        locked: Allow only models in the lock file.
        exceptions: Exceptions, with who, why and until when.
    """

    where: str
    licences: tuple[str, ...] | None = None
    unknown: OnUnknown = "allow"
    pinned: bool = False
    safetensors: bool = False
    owners: tuple[str, ...] | None = None
    largest: int | None = None
    locked: bool = False
    exceptions: tuple[Allowance, ...] = ()

    def allows(self, licence: str) -> bool:
        """Whether a licence is allowed, by its verdict, its identifier or its name."""
        if self.licences is None:
            return True
        names = {kind_of(licence), identifier_of(licence) or "", licence.strip().lower()}
        return not names.isdisjoint(self.licences)


NO_POLICY = Policy("no policy")


def current_policy() -> Policy:
    """The policy for the working directory; without a file, one that allows everything.

    Raises:
        PolicyError: If its file cannot be read, or is not a valid policy.
    """
    if named := os.environ.get(VARIABLE):
        return read_policy(Path(named))
    path = _nearest()
    return NO_POLICY if path is None else read_policy(path)


def _nearest() -> Path | None:
    for place in folders_above():
        if is_there(place / FILE):
            return place / FILE
        project = place / PROJECT
        if is_there(project) and b"tool.lexel" in read_bounded(project, error=PolicyError):
            return project
    return None


def read_policy(path: Path) -> Policy:
    """Read a policy from ``lexel.toml``, or from any other file's ``[tool.lexel]``.

    Raises:
        PolicyError: If the file cannot be read, is not TOML, or is not a valid policy.
    """
    import tomllib

    try:
        with open_regular(path) as file:
            values: Any = tomllib.loads(file.read(_LARGEST_FILE_BYTES).decode("utf-8"))
    except OSError as error:
        raise PolicyError(f"{path}: {refused(error, doing='read')}; expected a policy") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"{path}: not TOML ({error}); repair it, nothing is loaded without the policy") from error
    if path.name == PROJECT:
        values = _table(_table(values, "tool", path), "lexel", path)
    _refuse_unknown(values, ("policy",), f"{path}")
    return _policy(_table(values, "policy", path), str(path))


def _policy(values: Mapping[str, Any], where: str) -> Policy:
    known = tuple(field.name for field in fields(Policy) if field.name != "where")
    _refuse_unknown(values, known, f"{where}: policy")
    licences = _names(values, "licences", where)
    for name in licences or ():
        if name not in KINDS and identifier_of(name) is None and kind_of(name) == "unknown":
            raise PolicyError(
                f"{where}: licences: {name!r} is not a licence that Lexel knows; expected a verdict "
                f"({', '.join(sorted(KINDS))}) or an identifier such as apache-2.0"
            )
    unknown = values.get("unknown", "allow" if licences is None else "refuse")
    if unknown not in get_args(OnUnknown):
        raise PolicyError(f"{where}: unknown is {unknown!r}; expected one of {', '.join(get_args(OnUnknown))}")
    return Policy(
        where=where,
        licences=None if licences is None else tuple(identifier_of(name) or name.strip().lower() for name in licences),
        unknown=unknown,
        pinned=_flag(values, "pinned", where),
        safetensors=_flag(values, "safetensors", where),
        owners=_names(values, "owners", where),
        largest=_bytes(values.get("largest"), where),
        locked=_flag(values, "locked", where),
        exceptions=tuple(_allowances(values.get("exceptions", []), where)),
    )


def _allowances(listed: Any, where: str) -> list[Allowance]:
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise PolicyError(f"{where}: exceptions is {listed!r}; expected tables [[policy.exceptions]]")
    return [_allowance(entry, f"{where}: exception {i}") for i, entry in enumerate(listed, 1)]


def _allowance(values: Mapping[str, Any], where: str) -> Allowance:
    _refuse_unknown(values, ("model", "who", "why", "until", "rules"), where)
    for key in ("model", "who", "why"):
        if not isinstance(values.get(key), str) or not values[key].strip():
            raise PolicyError(
                f"{where}: {key} is {values.get(key)!r}; expected a text: who allows which model, and why"
            )
    until = values.get("until")
    if isinstance(until, datetime):
        until = until.date()
    if not isinstance(until, date):
        raise PolicyError(f"{where}: until is {until!r}; expected the last day on which it holds, such as 2030-12-31")
    rules = _names(values, "rules", where) or EXCUSABLE
    for rule in rules:
        if rule not in EXCUSABLE:
            raise PolicyError(
                f"{where}: no rule {rule!r}{_hint(rule, EXCUSABLE)}; expected some of {', '.join(EXCUSABLE)}"
            )
    return Allowance(values["model"], values["who"], values["why"], until, rules)


def _table(values: Any, key: str, path: Path) -> Mapping[str, Any]:
    found = values.get(key, {})
    if not isinstance(found, dict):
        raise PolicyError(f"{path}: {key} is {found!r}; expected a table")
    return found


def _refuse_unknown(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise PolicyError(f"{where}: {key!r} is not a setting{_hint(key, known)}; expected {', '.join(known)}")


def _hint(typed: str, known: Any) -> str:
    near = nearest_name(typed, known)
    return "" if near is None else f", did you mean {near!r}?"


def _names(values: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    found = values.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) and name.strip() for name in found):
        raise PolicyError(f"{where}: {key} is {found!r}; expected a list of names")
    return tuple(found)


def _flag(values: Mapping[str, Any], key: str, where: str) -> bool:
    found = values.get(key, False)
    if not isinstance(found, bool):
        raise PolicyError(f"{where}: {key} is {found!r}; expected true or false")
    return found


def _bytes(value: Any, where: str) -> int | None:
    match = (
        _SIZE.fullmatch(str(value).strip()) if isinstance(value, str | int) and not isinstance(value, bool) else None
    )
    if value is None:
        return None
    if match is None:
        raise PolicyError(f"{where}: largest is {value!r}; expected a size such as 500 MB")
    return int(float(match[1]) * _UNITS[(match[2] or "").upper()])
