"""``bom.json``: a CycloneDX 1.6 bill of materials of a model (https://cyclonedx.org/capabilities/mlbom/)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lexel.licences import identifier_of
from lexel.provenance.materials import Material

_MODEL = "model"


def bill_of_materials(
    subject: Sequence[Mapping[str, Any]],
    materials: Sequence[Material],
    *,
    versions: Mapping[str, str],
    made: datetime,
    verb: str,
) -> dict[str, Any]:
    """The bill of a model: its files, the models and data that it was made from, and the libraries used.

    Args:
        subject: Its files with their checksums, as in the statement.
        materials: The inputs.
        versions: Versions of libraries by name.
        made: When it was made.
        verb: The command.
    """
    parts = [(f"{material.kind}-{i}", material) for i, material in enumerate(materials) if material.kind != "lock"]
    libraries = [_library(name, version) for name, version in versions.items()]
    digest = hashlib.sha256("".join(str(entry["digest"]["sha256"]) for entry in subject).encode()).digest()
    data = [{"ref": ref} for ref, material in parts if material.kind == "data"]
    model = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": "model",
        "components": [_file(str(entry["name"]), str(entry["digest"]["sha256"])) for entry in subject],
        "modelCard": {"modelParameters": {"datasets": data}},
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "lexel", "version": versions.get("lexel", "")}]},
            "component": model,
            "properties": [{"name": "lexel:verb", "value": verb}],
        },
        "components": [*(_component(ref, material) for ref, material in parts), *libraries],
        "dependencies": [
            {"ref": _MODEL, "dependsOn": [*(ref for ref, _ in parts), *(each["bom-ref"] for each in libraries)]}
        ],
    }


def _component(ref: str, material: Material) -> dict[str, Any]:
    is_data = material.kind in ("data", "recipe")
    component: dict[str, Any] = {
        "type": "data" if is_data else "machine-learning-model",
        "bom-ref": ref,
        "name": material.name,
    }
    if material.uri is not None:
        component["purl"] = material.uri
    if material.licence:
        identifier = identifier_of(material.licence)
        component["licenses"] = [{"license": {"name": identifier or material.licence}}]
    if len(material.sha256) == 1:
        component["hashes"] = [_hash(next(iter(material.sha256.values())))]
    else:
        component["components"] = [_file(name, checksum) for name, checksum in material.sha256.items()]
    if is_data:
        component["data"] = [{"type": "dataset" if material.kind == "data" else "configuration", "name": material.name}]
    return component


def _library(name: str, version: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }


def _file(name: str, checksum: str) -> dict[str, Any]:
    return {"type": "file", "name": name, "hashes": [_hash(checksum)]}


def _hash(checksum: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": checksum}
