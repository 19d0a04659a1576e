"""Cards whose data sets are known by name, found in the user's copies or in the cache of datasets."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from lexel.cli.app import app
from lexel.data import read_jsonl, write_jsonl
from lexel.data.cached import read_cached
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.single_tags import single_tag_accuracy
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.verify.claims import Claim
from lexel.evaluation.verify.known_data import find_data
from lexel.evaluation.verify.verify import VerifyOptions, verify
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, WORDS, build_tagger, openvino_has_bf16

SENTENCES = (
    (("王小明", "went", "to", "new", "york"), (1, 1, 0, 3, 4)),
    (("the", "new", "york"), (1, 3, 4)),
    (("in", "to", "the"), (1, 1, 0)),
    (("王", "明", "live", "in", "new", "york"), (1, 1, 1, 0, 3, 4)),
) * 5
CONLL = "-DOCSTART- -X- -X- O\n\n" + "\n\n".join(
    "\n".join(f"{word} NN B-NP {ENTITIES[tag]}" for word, tag in zip(*sentence, strict=True)) for sentence in SENTENCES
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEXEL_DATA_SETS", str(tmp_path / "data"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    return tmp_path


def write_copy(folder: Path) -> Path:
    path = folder / "data" / "conll2003" / "eng.testb"
    path.parent.mkdir(parents=True)
    path.write_text(CONLL, encoding="utf-8")
    return path


def write_cache(folder: Path, *, kind: str = "List") -> Path:
    """A table as the library writes it: numbers as tags, their names in the schema."""
    path = folder / "cache" / "eriktks___conll2003" / "conll2003" / "1.0.0" / "abc123" / "conll2003-test.arrow"
    path.parent.mkdir(parents=True)
    label = {"names": list(ENTITIES), "_type": "ClassLabel"}
    features = {
        "tokens": {"feature": {"dtype": "string"}, "_type": kind},
        "ner_tags": {"feature": label, "_type": kind},
    }
    schema = pa.schema(
        {"tokens": pa.list_(pa.string()), "ner_tags": pa.list_(pa.int64())},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    words, tags = zip(*SENTENCES, strict=True)
    table = pa.table({"tokens": [list(row) for row in words], "ner_tags": [list(row) for row in tags]}, schema=schema)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_table(table)
    return path


def claim(**changes: str) -> Claim:
    return Claim(**{"dataset": "conll2003", "value": 0.9, "metric_type": "f1", "split": "test", **changes})  # type: ignore[arg-type]


def documents(claims: list[Claim]) -> list[Document]:
    (file,) = find_data(claims)
    return list(file.read(None))


@pytest.mark.parametrize("kind", ["Sequence", "List"])
def test_a_table_of_the_cache_has_the_words_and_entities_of_the_copy(here: Path, kind: str) -> None:
    cached = list(read_cached(write_cache(here, kind=kind)))
    write_copy(here)
    copied = documents([claim()])
    assert [document.entities for document in cached] == [document.entities for document in copied]
    assert [document.text for document in cached] == [document.text for document in copied]
    assert cached[0].entities.labels == ("PER", "LOC") or {span.label for span in cached[0].entities} == {"PER", "LOC"}


@pytest.mark.parametrize("name", ["conll2003", "eriktks/conll2003", "CoNLL-2003"])
def test_a_data_set_is_known_by_its_names(here: Path, name: str) -> None:
    path = write_copy(here)
    assert [file.path for file in find_data([claim(dataset=name)])] == [str(path)]


def test_a_copy_is_taken_before_the_cache(here: Path) -> None:
    write_cache(here)
    assert find_data([claim()])[0].path.endswith(".arrow")
    path = write_copy(here)
    assert find_data([claim()])[0].path == str(path)


def test_any_other_data_set_is_found_by_its_own_name(here: Path) -> None:
    write_copy(here)
    folder = here / "data" / "mine"
    folder.mkdir()
    write_jsonl(documents([claim()]), folder / "validation.jsonl")
    (file,) = find_data([claim(dataset="me/mine", split="dev")])
    assert [document.text for document in file.read(None)] == [
        document.text for document in read_jsonl(folder / "validation.jsonl")
    ]


def test_what_is_not_there_is_said_with_the_places(here: Path) -> None:
    with pytest.raises(DataError) as error:
        find_data([claim()])
    assert "conll2003, test: not found on this machine" in str(error.value)
    assert "--data" in str(error.value)


@pytest.mark.parametrize("name", ["..", "a/..", "../../etc"])
def test_a_name_leads_nowhere_else(here: Path, name: str) -> None:
    (here / "test.jsonl").write_text('{"text": "x"}\n')
    (here / "data").mkdir()
    with pytest.raises(DataError):
        find_data([claim(dataset=name)])


# The seeds' cards ----------------------------------------------------------------------------------------------------


def metrics(values: dict[str, float]) -> str:
    return "".join(
        f"    - name: {name}\n      type: {name.lower()}\n      value: {value}\n" for name, value in values.items()
    )


def write_ner_card(folder: Path, values: dict[str, float]) -> None:
    """A card as one of the most used models of entities has it: five figures on CoNLL-2003's test part."""
    dataset = "      name: conll2003\n      type: conll2003\n      config: conll2003\n      split: test\n"
    task = "  - task:\n      type: token-classification\n      name: Token Classification\n"
    (folder / "README.md").write_text(
        f"---\nlicense: mit\ndatasets:\n- conll2003\nmodel-index:\n- name: {folder.name}\n  results:\n{task}"
        f"    dataset:\n{dataset}    metrics:\n{metrics(values)}---\n# A model\n",
        encoding="utf-8",
    )


@pytest.fixture
def ner(here: Path) -> tuple[Path, dict[str, float]]:
    """A model of entities, and its five figures on the copy, as a script would print them."""
    write_copy(here)
    folder = build_tagger(here / "ner", heads={"entities": ENTITIES}, max_length=64, seed=2)
    tagger = Tagger.load(folder, decode="argmax", engine="numpy")
    gold = documents([claim()])
    scores = evaluate(tagger, gold, options=EvaluationOptions(sampling=Sampling(0))).entities
    accuracy = single_tag_accuracy(tagger, gold, layer="entities", sampling=Sampling(0))
    assert scores is not None
    assert accuracy is not None
    micro = scores.lenient.micro
    assert 0 < micro.f1.value < 1
    figures = {"Accuracy": accuracy, "Precision": micro.precision, "Recall": micro.recall, "F1": micro.f1}
    return folder, {name: figure.value for name, figure in figures.items()} | {"Loss": 0.48}


def test_the_figures_of_a_card_of_entities_come_out_by_the_name_of_its_data(ner: tuple[Path, dict[str, float]]) -> None:
    folder, values = ner
    write_ner_card(folder, values)
    result = CliRunner().invoke(app, ["verify", str(folder), "--samples", "0"])
    assert result.exit_code == 0, result.output
    assert "4 of 4 figures within 1 points" in result.output
    assert "'Loss' is not a figure that Lexel re-runs" in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["Accuracy", "Precision", "Recall", "F1"])
def test_an_altered_figure_of_that_card_does_not(ner: tuple[Path, dict[str, float]], name: str) -> None:
    folder, values = ner
    write_ner_card(folder, {**values, name: values[name] + (0.03 if values[name] < 0.9 else -0.03)})
    result = CliRunner().invoke(app, ["verify", str(folder), "--samples", "0", "--to", "json", "-q"])
    assert result.exit_code == 1
    off = [
        verdict["claim"]["metric_name"]
        for verdict in json.loads(result.stdout)["verdicts"]
        if verdict["is_within"] is False
    ]
    assert off == [name]


@pytest.mark.parametrize("altered", [None, "Precision", "Recall", "F1"])
def test_the_table_of_a_fine_tuned_segmenter_is_run_again(here: Path, altered: str | None) -> None:
    write_copy(here)
    folder = here / "data" / "words"
    folder.mkdir(parents=True)
    write_jsonl(documents([claim()]), folder / "validation.jsonl")
    model = build_tagger(here / "segmenter", heads={"words": WORDS}, max_length=64, seed=3)
    words = evaluate(
        Tagger.load(model, decode="argmax", engine="numpy"),
        read_jsonl(folder / "validation.jsonl"),
        options=EvaluationOptions(sampling=Sampling(0)),
    ).words
    assert words is not None
    found = words.words
    values = {"Precision": found.precision.value, "Recall": found.recall.value, "F1": found.f1.value}
    if altered:
        values[altered] += 0.03 if values[altered] < 0.9 else -0.03
    (model / "README.md").write_text(
        "---\nmodel-index:\n- name: segmenter\n  results:\n  - task:\n      name: Token Classification\n"
        "      type: token-classification\n"
        "    dataset:\n      name: words\n      type: words\n      split: validation\n"
        f"    metrics:\n{metrics(values)}---\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["verify", str(model), "--samples", "0"])
    assert result.exit_code == (1 if altered else 0), result.output


@pytest.mark.skipif(not openvino_has_bf16(), reason="no bf16 here")
def test_another_precision_is_named_if_it_gives_the_claim(ner: tuple[Path, dict[str, float]]) -> None:
    folder, _ = ner
    no_sampling = Sampling(0)
    made = Tagger.load(folder, engine="openvino", precision="bf16", decode="argmax")
    scores = evaluate(made, documents([claim()]), options=EvaluationOptions(sampling=no_sampling)).entities
    assert scores is not None
    claims = [claim(metric_name="F1", value=scores.lenient.micro.f1.value)]  # type: ignore[arg-type]
    exact = Tagger.load(folder, engine="openvino", precision="float32")
    (verdict,) = verify(
        exact, claims, files=find_data(claims), options=VerifyOptions(tolerance=0.5, sampling=no_sampling)
    ).verdicts
    assert verdict.is_within is False
    assert any(reason.startswith("computed in bf16 it is") for reason in verdict.reasons)


def test_a_table_of_the_cache_that_is_gone_is_said_plainly(here: Path) -> None:
    with pytest.raises(
        DataError, match=r"no.arrow: cannot be read as a table of datasets \(No such file or directory\)"
    ):
        list(read_cached(here / "no.arrow"))
