"""What goes into a model is written beside it: an in-toto statement, a CycloneDX bill, and the chain on the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lexel.cards import write_card
from lexel.checkpoint import open_checkpoint
from lexel.disk import sha256_of
from lexel.errors import CheckpointError
from lexel.export.compress import compress
from lexel.provenance import Material, Step, base_material, chain_of, check_statement, write_provenance

DATA = {"train.jsonl": "d" * 64}
HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
DIGEST = {"type": "object", "required": ["sha256"], "properties": {"sha256": HEX}}
SUBJECT = {"digest": DIGEST}
HASH = {"alg": {"const": "SHA-256"}, "content": HEX}
STATEMENT: dict[str, Any] = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {
            "type": "array",
            "minItems": 1,
            "items": {"required": ["name", "digest"], "properties": {"digest": DIGEST}},
        },
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": {
            "required": ["buildDefinition", "runDetails"],
            "properties": {
                "buildDefinition": {
                    "required": ["buildType", "externalParameters"],
                    "properties": {"resolvedDependencies": {"items": {"properties": {"digest": DIGEST}}}},
                },
                "runDetails": {"required": ["builder"], "properties": {"builder": {"required": ["id"]}}},
            },
        },
    },
}
"""What the in-toto statement and SLSA's provenance demand."""
COMPONENT = {
    "required": ["type", "name"],
    "properties": {
        "type": {"enum": ["machine-learning-model", "data", "library", "file", "application"]},
        "hashes": {
            "items": {"required": ["alg", "content"], "properties": {"alg": {"const": "SHA-256"}, "content": HEX}}
        },
        "licenses": {"items": {"required": ["license"]}},
    },
}
BILL: dict[str, Any] = {
    "required": ["bomFormat", "specVersion", "serialNumber", "metadata", "components"],
    "properties": {
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.6"},
        "serialNumber": {"pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        "metadata": {"properties": {"component": COMPONENT}},
        "components": {"items": COMPONENT},
    },
}
"""What CycloneDX 1.6 demands of the parts that are written."""


@pytest.fixture
def trained(project: Path, model: Path) -> Path:
    """A folder that says it was trained from random weights on one file."""
    write_provenance(model, Step("train", {"command": "lexel train"}, [Material("data", "train", DATA, licence="mit")]))
    return model


def read(folder: Path, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return values


def test_the_statement_is_in_toto_and_the_bill_is_cyclonedx(trained: Path) -> None:
    jsonschema.validate(read(trained, "provenance.json"), STATEMENT)
    jsonschema.validate(read(trained, "bom.json"), BILL)


def test_the_subject_is_every_file_that_is_read_but_the_card(trained: Path) -> None:
    subject = {entry["name"]: entry["digest"]["sha256"] for entry in read(trained, "provenance.json")["subject"]}
    assert subject["model.safetensors"] == sha256_of(trained / "model.safetensors")
    assert "README.md" not in subject
    assert check_statement(trained) is None


def test_a_changed_file_is_found(trained: Path) -> None:
    (trained / "vocab.txt").write_text("changed")
    assert check_statement(trained) == "vocab.txt is not the file that was made"
    (trained / "vocab.txt").unlink()
    assert check_statement(trained) == "vocab.txt is missing"


def test_data_stands_in_both_with_its_checksum(trained: Path) -> None:
    (entry,) = read(trained, "provenance.json")["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert (entry["name"], entry["digest"]["sha256"]) == ("train.jsonl", "d" * 64)
    bill = read(trained, "bom.json")
    (data,) = [each for each in bill["components"] if each["type"] == "data"]
    assert data["hashes"][0]["content"] == "d" * 64
    assert data["licenses"] == [{"license": {"name": "mit"}}]
    assert bill["metadata"]["component"]["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]


def test_a_later_step_holds_the_earlier_ones(trained: Path, project: Path) -> None:
    small = compress(trained, project / "small")
    smaller = compress(small, project / "smaller")
    chain = chain_of(smaller)
    assert [step["verb"] for step in chain] == ["compress", "compress", "train"]
    assert [step["from"] for step in chain] == [["small"], ["model"], []]
    assert chain[1]["provenance_sha256"] == sha256_of(small / "provenance.json")
    assert chain[2]["data"] == DATA


def test_the_base_is_named_with_weights_licence_and_statement(trained: Path) -> None:
    found = base_material(open_checkpoint(trained))
    assert found.sha256 == {"model.safetensors": sha256_of(trained / "model.safetensors")}
    assert found.licence == "mit"
    assert found.statement == sha256_of(trained / "provenance.json")


def test_the_lock_of_the_project_is_named(project: Path, model: Path) -> None:
    (project / "lexel.lock").write_text("x")
    write_provenance(model, Step("train", {}, []))
    (entry,) = read(model, "provenance.json")["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert entry["digest"]["sha256"] == sha256_of(project / "lexel.lock")


def test_of_an_exported_folder_every_file_is_a_subject(project: Path) -> None:
    (project / "out" / "onnx").mkdir(parents=True)
    for name in ("config.json", "onnx/model.onnx"):
        (project / "out" / name).write_text("{}")
    write_provenance(project / "out", Step("export", {}, []))
    subject = [entry["name"] for entry in read(project / "out", "provenance.json")["subject"]]
    assert subject == ["config.json", "onnx/model.onnx"]


def test_the_card_shows_the_chain(trained: Path, project: Path) -> None:
    small = compress(trained, project / "small")
    write_card(small, replace_foreign=True, measure=False)
    card = (small / "README.md").read_text(encoding="utf-8")
    assert "## Steps" in card
    steps = card[card.index("## Steps") :]
    assert steps.index("lexel train") < steps.index("lexel compress")
    assert "train.jsonl (dddddddddddd)" in steps


def test_no_path_of_this_machine_is_published(trained: Path, project: Path) -> None:
    small = compress(trained, project / "small")
    for name in ("provenance.json", "bom.json"):
        assert str(project.parent) not in (small / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["{}", '{"predicate": 3}', '{"predicate": {"buildDefinition": {}}}'])
def test_a_statement_of_another_kind_is_one_line(trained: Path, text: str) -> None:
    (trained / "provenance.json").write_text(text)
    with pytest.raises(CheckpointError, match="no statement that Lexel wrote"):
        chain_of(trained)


def test_a_folder_without_one_has_no_chain(model: Path) -> None:
    assert chain_of(model) == []
    with pytest.raises(CheckpointError, match=r"no provenance\.json"):
        check_statement(model)
