"""The labels that a program expects: held against a model at load, renamed by a mapping file, given as a schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

import lexel
from lexel.cli.app import app
from lexel.describe.schema import schema_of
from lexel.errors import LabelError, OptionError
from tests.classify.conftest import build_classifier

TEXT = "王小明 went to new york"


def mapping(project: Path, **values: object) -> Path:
    path = project / "labels.json"
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize("expects", [["LOC", "PER"], "PER,LOC", " PER , LOC "])
def test_a_model_that_gives_them_loads(model: Path, expects: object) -> None:
    assert lexel.load(model, engine="numpy", expects=expects)(TEXT).entities  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expects", "said"),
    [("PER,LOC,ORG", "without ORG"), ("PER", "beyond them LOC"), ("PER,GPE", "without GPE, beyond them LOC")],
)
def test_one_message_shows_both_sides(model: Path, expects: str, said: str) -> None:
    with pytest.raises(LabelError) as error:
        lexel.load(model, engine="numpy", expects=expects)
    message = str(error.value)
    assert "head entities gives LOC, PER; your program expects" in message
    assert said in message
    assert "\n" not in message


def test_a_mapping_file_renames_labels(model: Path, project: Path) -> None:
    path = mapping(project, labels=["person", "place"], map={"PER": "person", "LOC": "place"})
    plain = lexel.load(model, engine="numpy")(TEXT)
    renamed = lexel.load(model, engine="numpy", expects=path)(TEXT)
    names = {"PER": "person", "LOC": "place"}
    assert [span.label for span in renamed.entities] == [names[span.label] for span in plain.entities]
    assert {span.label for span in plain.entities} == {"PER", "LOC"}


def test_two_labels_may_become_one(model: Path, project: Path) -> None:
    path = mapping(project, labels=["name"], map={"PER": "name", "LOC": "name"})
    plain = lexel.load(model, engine="numpy")(TEXT)
    renamed = lexel.load(model, engine="numpy", expects=str(path))(TEXT)
    assert {span.label for span in renamed.entities} == {"name"}
    assert [(span.start, span.end) for span in renamed.entities] == [(span.start, span.end) for span in plain.entities]


def test_a_map_of_a_label_that_the_model_does_not_have_is_said(model: Path, project: Path) -> None:
    path = mapping(project, labels=["PER", "LOC"], map={"PERSON": "PER"})
    with pytest.raises(LabelError, match="the map names PERSON, which it does not have"):
        lexel.load(model, engine="numpy", expects=path)


@pytest.mark.parametrize("values", [{}, {"labels": []}, {"labels": ["a"], "maps": {}}, {"labels": [1]}])
def test_what_is_no_mapping_file_is_refused(model: Path, project: Path, values: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        lexel.load(model, expects=mapping(project, **values))


def test_no_labels_are_no_contract(model: Path) -> None:
    with pytest.raises(OptionError, match="expected labels such as"):
        lexel.load(model, expects="")


def test_classes_are_held_against_it_and_renamed(tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    build_classifier(folder, ("bad", "good"))
    with pytest.raises(LabelError, match="head classify gives bad, good"):
        lexel.Classifier.load(folder, engine="numpy", expects=["neg", "pos"])
    path = mapping(project, labels=["neg", "pos"], map={"bad": "neg", "good": "pos"})
    assert lexel.Classifier.load(folder, engine="numpy", expects=path)("x").label in ("neg", "pos")


@pytest.mark.parametrize("command", [["tag"], ["serve", "--port", "0"]])
def test_commands_and_server_refuse_a_model_with_others(model: Path, project: Path, command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "-m", str(model), "--expect", "PER,LOC,ORG"], input="x\n")
    assert result.exit_code == 1
    assert "without ORG" in result.stderr


def test_results_follow_the_schema_of_the_model(model: Path, project: Path) -> None:
    schema = schema_of(list(lexel.open_checkpoint(model).heads.values()))
    record = json.loads(lexel.load(model, engine="numpy")(TEXT).to_json())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    record["entities"][0][2] = "ORG"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, schema)


def test_lines_of_the_command_follow_the_schema_of_the_command(model: Path, project: Path) -> None:
    schema = json.loads(CliRunner().invoke(app, ["describe", str(model), "--to", "schema"]).stdout)
    tagged = CliRunner().invoke(app, ["tag", "-q", "-m", str(model), "--to", "jsonl"], input=f"{TEXT}\n")
    for line in tagged.stdout.splitlines():
        jsonschema.validate(json.loads(line), schema)
