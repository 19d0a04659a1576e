"""``provenance.json``: an in-toto statement with the SLSA provenance of a folder.

    {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "model.safetensors", "digest": {"sha256": ...}}],
     "predicateType": "https://slsa.dev/provenance/v1", "predicate": {"buildDefinition": ..., "runDetails": ...}}

The subject is every file that loading reads, except the card, which may be written again. The inputs are the resolved
dependencies: data, the base model, recipes, the lock. A base with its own statement is listed with the checksum of the
statement and its chain. Formats: https://in-toto.io/Statement/v1, https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.exported import RECORD
from lexel.checkpoint.files import files_read
from lexel.checkpoint.gate import licence_of
from lexel.checkpoint.source import bundled_name
from lexel.checkpoint.weights import weight_checksums, weight_files
from lexel.disk import sha256_of, write_json
from lexel.errors import CheckpointError
from lexel.jsonfile import read_object
from lexel.provenance.bom import bill_of_materials
from lexel.provenance.materials import Material, Step
from lexel.trust.lock import lock_path

STATEMENT, BOM = "provenance.json", "bom.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:lexel:provenance:{verb}:1"
BUILDER = "pkg:pypi/lexel"
_CARD = "README.md"
_LIBRARIES = ("lexel", "numpy", "openvino", "tokenizers", "torch", "transformers", "nncf", "onnx", "onnxruntime")


def base_material(checkpoint: Checkpoint, *, kind: str = "base") -> Material:
    """The base model as a material."""
    source = checkpoint.source
    uri = None if source.pin is None else f"pkg:huggingface/{source.repo_id}@{source.commit}"
    name = source.repo_id or bundled_name(source.folder) or source.folder.name
    return folder_material(source.folder, name=name, kind=kind, uri=uri)


def folder_material(folder: Path, *, name: str, kind: str = "base", uri: str | None = None) -> Material:
    """The same for a folder."""
    path = folder / STATEMENT
    return Material(
        kind,
        name,
        weight_checksums(folder),
        uri=uri,
        licence=licence_of(folder).licence,
        statement=sha256_of(path) if path.is_file() else None,
        chain=chain_of(folder),
    )


def write_provenance(folder: Path, step: Step) -> None:
    """Write ``provenance.json`` and ``bom.json`` to a folder that is complete except for its card.

    Raises:
        OSError: If writing fails.
    """
    is_model = bool(weight_files(folder)) and not (folder / RECORD).exists()
    names = [name for name in files_read(folder) if name != _CARD] if is_model else _all_files(folder)
    subject = [{"name": name, "digest": {"sha256": sha256_of(folder / name)}} for name in names]
    materials = [*step.materials, *_lock()]
    now = datetime.now(UTC)
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE.format(verb=step.verb),
                "externalParameters": dict(step.parameters),
                "internalParameters": dict(step.details),
                "resolvedDependencies": [entry for material in materials for entry in _dependencies(material)],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": dict(_versions())},
                "metadata": {
                    **({} if step.began is None else {"startedOn": _moment(step.began)}),
                    "finishedOn": _moment(now),
                },
            },
        },
    }
    write_json(folder / STATEMENT, statement)
    write_json(
        folder / BOM, bill_of_materials(subject, materials, versions=dict(_versions()), made=now, verb=step.verb)
    )


def _all_files(folder: Path) -> list[str]:
    """Every file, for a folder in another program's format."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name not in (_CARD, STATEMENT, BOM))


def _dependencies(material: Material) -> list[dict[str, Any]]:
    """The entries of a material, one per file."""
    about = {
        "kind": material.kind,
        "model" if material.kind in ("base", "teacher") else "name": material.name,
        "licence": material.licence,
        "provenance_sha256": material.statement,
        "chain": list(material.chain) or None,
    }
    annotations = {key: value for key, value in about.items() if value is not None}
    address = {} if material.uri is None else {"uri": material.uri}
    return [
        {"name": name, **address, "digest": {"sha256": checksum}, "annotations": annotations}
        for name, checksum in material.sha256.items()
    ]


def _lock() -> list[Material]:
    path = lock_path()
    return [Material("lock", path.name, {path.name: sha256_of(path)})] if path.is_file() else []


def _versions() -> list[tuple[str, str]]:
    found = []
    for library in _LIBRARIES:
        try:
            found.append((library, version(library)))
        except PackageNotFoundError:
            continue
    return found


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Reading -------------------------------------------------------------------------------------------------------------


def chain_of(folder: str | Path) -> list[dict[str, Any]]:
    """The steps that made a folder, the last one first; empty if they were not recorded."""
    folder = Path(folder)
    statement = _read(folder)
    if statement is None:
        return []
    try:
        predicate = statement["predicate"]
        entries = predicate["buildDefinition"]["resolvedDependencies"]
        own = {
            "verb": predicate["buildDefinition"]["buildType"].split(":")[-2],
            "finished": predicate["runDetails"]["metadata"]["finishedOn"],
            "from": list(dict.fromkeys(name for entry in entries if (name := _model_of(entry)))),
            "data": {entry["name"]: entry["digest"]["sha256"] for entry in entries if _kind_of(entry) == "data"},
            "provenance_sha256": sha256_of(folder / STATEMENT),
        }
        before: list[dict[str, Any]] = next(
            (entry["annotations"]["chain"] for entry in entries if entry["annotations"].get("chain")), []
        )
        return [own, *before]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{folder / STATEMENT}: no statement that Lexel wrote ({error!r}); expected one. Remove it"
        ) from error


def check_statement(folder: str | Path) -> str | None:
    """The differences between a folder's files and its statement's subject; ``None`` if there are none.

    Raises:
        CheckpointError: If there is no statement.
    """
    folder = Path(folder)
    statement = _read(folder)
    if statement is None:
        raise CheckpointError(f"{folder}: no {STATEMENT}; expected a folder that Lexel made")
    for entry in statement.get("subject", []):
        path = folder / entry["name"]
        if not path.is_file():
            return f"{entry['name']} is missing"
        if sha256_of(path) != entry["digest"]["sha256"]:
            return f"{entry['name']} is not the file that was made"
    return None


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / STATEMENT
    return read_object(path) if path.is_file() else None


def _kind_of(entry: Mapping[str, Any]) -> str | None:
    return (entry.get("annotations") or {}).get("kind")


def _model_of(entry: Mapping[str, Any]) -> str | None:
    return (entry.get("annotations") or {}).get("model")
