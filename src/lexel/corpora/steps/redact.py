"""``redact``: replaces names and identifiers in texts, and keeps an audit without the originals.

Names are the entities that ``tag`` found, and all other occurrences of the same names in a record. Identifiers are
found by pattern, see ``lexel.corpora.redaction.patterns``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lexel.corpora.redaction.keys import VARIABLE, Key, read_key
from lexel.corpora.redaction.patterns import KINDS, Found, Patterns, without_overlaps
from lexel.corpora.redaction.pseudonyms import How, replacement_of
from lexel.corpora.spans import Replacement, replace_spans, replace_text
from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record
from lexel.document import Document
from lexel.errors import OptionError

_LEAST_REPEATED = 2
"""Minimum length of a name to search for in the rest of its record."""


@dataclass(frozen=True)
class Redact(Step):
    """Redact entities and identifiers.

    Attributes:
        entities: Labels of entities; they need ``tag`` before this step.
        patterns: Kinds of identifiers.
        how: The replacement: ``mask``, ``label``, ``hash`` or ``pseudonym``.
        how_by_kind: The replacement for single labels and kinds.
        key_file: The key of hashes and pseudonyms; by default the variable ``LEXEL_REDACT_KEY``. With a key, the audit
            file also holds keyed marks of the originals, with which ``lexel corpus leaks`` finds missed names.
        regions: Countries whose telephone numbers are found without country code.
        fields: Other columns with text to redact, by pattern and by the names of the record.
    """

    name = "redact"

    entities: tuple[str, ...] = ()
    patterns: tuple[str, ...] = KINDS
    how: How = "label"
    how_by_kind: dict[str, str] = field(default_factory=dict)
    key_file: str | None = None
    regions: tuple[str, ...] = ("TW", "CN", "HK")
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind in self.patterns:
            if kind not in KINDS:
                raise OptionError(f"patterns: no kind is called {kind!r}; expected one of {', '.join(KINDS)}")
        known = {*self.entities, *self.patterns}
        for kind, how in self.how_by_kind.items():
            if kind not in known:
                raise OptionError(f"how_by_kind: {kind!r} is not redacted; expected one of {', '.join(sorted(known))}")
            if how not in ("mask", "label", "hash", "pseudonym"):
                raise OptionError(f"how_by_kind: {kind} is {how!r}; expected one of mask, label, hash, pseudonym")
        if {self.how, *self.how_by_kind.values()} & {"hash", "pseudonym"} and self.key is None:
            raise OptionError(f"hashes and pseudonyms need a key; expected key_file, or the variable {VARIABLE}")

    @property
    def key(self) -> Key | None:
        """The key, if there is one."""
        return read_key(self.key_file)

    def secrets(self) -> dict[str, str]:
        """See ``Step.secrets``."""
        return {} if self.key is None else {"fingerprint": self.key.fingerprint}

    def packages(self) -> tuple[str, ...]:
        """See ``Step.packages``."""
        uses = {self.how, *self.how_by_kind.values()}
        return (("phonenumbers",) if "phone" in self.patterns else ()) + (("faker",) if "pseudonym" in uses else ())

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        redactor = Redactor(self, Patterns(self.patterns, regions=self.regions))
        return lambda records, shard: [redactor.redacted(record, shard) for record in records]


class Redactor:
    """Redacts records according to a step's options."""

    def __init__(self, step: Redact, patterns: Patterns) -> None:
        self._step, self._patterns, self._key = step, patterns, step.key

    def redacted(self, record: Record, shard: Shard) -> Record:
        """The redacted record."""
        names = self._names(record)
        replacements = self._replacements(record.text, record, "text", names, shard)
        changed = replace_spans(record.document or Document(record.text), replacements)
        found = {
            name: self._redacted_text(record.fields[name], record, name, names, shard)
            for name in self._step.fields
            if isinstance(record.fields.get(name), str)
        }
        result = record.with_document(changed)
        return result.with_fields(**found) if found else result

    def _names(self, record: Record) -> dict[str, str]:
        """The names of a record with their labels."""
        if not self._step.entities:
            return {}
        if record.document is None or "entities" not in record.document.layers:
            raise OptionError("redact: entities are to be redacted, and records have none; put tag before it")
        return {one.text: one.label for one in record.document.entities if one.label in self._step.entities}

    def _redacted_text(self, text: str, record: Record, where: str, names: Mapping[str, str], shard: Shard) -> str:
        return replace_text(text, self._replacements(text, record, where, names, shard))

    def _replacements(
        self, text: str, record: Record, where: str, names: Mapping[str, str], shard: Shard
    ) -> list[Replacement]:
        """The replacements in a text; also counts them and adds them to the audit."""
        found: list[Found] = []
        if where == "text" and record.document is not None:
            found += (
                Found(one.start, one.end, one.label)
                for one in record.document.entities
                if one.label in self._step.entities
            )
        found += _repeated(text, names)
        found += self._patterns.find(text)
        replacements: list[Replacement] = []
        shift = 0
        for one in without_overlaps(found):
            original, how = text[one.start : one.end], self._how(one.kind)
            new = replacement_of(original, one.kind, how, self._key)
            replacements.append(Replacement(one.start, one.end, new))
            start = one.start + shift
            shift += len(new) - len(original)
            shard.count("redacted", [one.kind])
            shard.audit.append(self._noted(record, where, one.kind, how, start, new, original))
        return replacements

    def _how(self, kind: str) -> How:
        return self._step.how_by_kind.get(kind, self._step.how)  # type: ignore[return-value]

    def _noted(
        self, record: Record, where: str, kind: str, how: str, start: int, new: str, original: str
    ) -> dict[str, Any]:
        """An entry of the audit file: the place in the output and the kind, without the original or the record's id."""
        noted: dict[str, Any] = {
            "line": record.place,
            "field": where,
            "kind": kind,
            "how": how,
            "start": start,
            "end": start + len(new),
            "replacement": new,
        }
        if self._key is not None:
            noted |= {"mark": self._key.mark(original).hex(), "chars": len(original)}
        return noted


def _repeated(text: str, names: Mapping[str, str]) -> list[Found]:
    """All occurrences of a record's names, whether the model found them or not."""
    wanted: Sequence[str] = sorted((name for name in names if len(name) >= _LEAST_REPEATED), key=len, reverse=True)
    if not wanted:
        return []
    pattern = re.compile("|".join(_whole(name) for name in wanted))
    return [Found(match.start(), match.end(), names[match[0]]) for match in pattern.finditer(text)]


def _whole(name: str) -> str:
    """A pattern for a name; in scripts with spaces between words, it does not match inside a longer word."""
    is_latin = name.isascii()
    return rf"(?<!\w){re.escape(name)}(?!\w)" if is_latin else re.escape(name)
