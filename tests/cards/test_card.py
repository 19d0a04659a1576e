"""A card says all that the files say, makes nothing up, and has no empty place."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from lexel.cards import read_claims, write_card
from lexel.cards.facts import Facts, gather
from lexel.cards.front_matter import build_metadata
from lexel.cards.metadata import read_metadata
from lexel.cards.speed import measure_speed
from lexel.checkpoint.card import read_card
from lexel.errors import CheckpointError, OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from tests.builders import ENTITIES, build_tagger, write_json
from tests.cards.conftest import Trained, report_on

FILLER = re.compile(r"more information|unknown dataset|\btodo\b|\btbd\b|\bn/a\b|\bNone\b|\bnan\b", re.IGNORECASE)


def write(trained: Trained, **answers: str) -> str:
    return write_card(trained.folder, answers=answers, measure=False).path.read_text(encoding="utf-8")


def section(card: str, title: str) -> str:
    found = re.search(rf"^## {title}\n\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no section {title!r}"
    return found[1]


def has_section(card: str, title: str) -> bool:
    return f"\n## {title}\n" in card


def test_no_section_is_empty_and_nothing_is_filler(trained: Trained) -> None:
    card = write(trained)
    bodies = re.split(r"^#+ .*$", card.partition("\n---\n")[2], flags=re.MULTILINE)[1:]
    assert len(bodies) > 10
    assert all(body.strip() for body in bodies)
    assert not FILLER.search(card.replace("SHA-256", ""))


def test_the_metadata_goes_through_the_hubs_types_and_back(trained: Trained) -> None:
    write(trained, licence="apache-2.0")
    card = ModelCard.load(trained.folder / "README.md")
    again = ModelCard(str(card))
    assert again.data.to_dict() == card.data.to_dict()
    results = card.data.eval_results
    assert len(results) == 13
    index = eval_results_to_model_index(card.data.model_name, results)
    assert index == read_metadata(trained.folder)["model-index"]
    assert model_index_to_eval_results(index) == ("my-model", results)


def test_the_metadata_says_licence_language_base_data_and_task(trained: Trained) -> None:
    write(trained, licence="Apache 2.0")
    metadata = read_metadata(trained.folder)
    assert metadata["license"] == "apache-2.0"
    assert metadata["language"] == ["zh"]
    assert metadata["base_model"] == "ckiplab/bert-tiny-chinese-ws"
    assert metadata["datasets"] == ["open-news", "open-news-dev", "open-test"]
    assert metadata["pipeline_tag"] == "token-classification"
    assert metadata["library_name"] == "lexel"
    assert read_card(trained.folder).licence == "apache-2.0"


def test_a_remark_in_parentheses_is_no_part_of_the_name_of_a_data_set(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = gather(trained.folder, answers={})
    plain = build_metadata(facts).datasets
    remarked = [replace(row, name=f"{row.name} (simplified)") for row in facts.data]
    monkeypatch.setattr(Facts, "data", remarked)
    assert build_metadata(facts).datasets == plain


def test_a_licence_that_the_hub_does_not_list_is_other_with_its_name_and_link(trained: Trained) -> None:
    write(trained, licence="Our Own Terms", licence_link="https://example.org/terms")
    metadata = read_metadata(trained.folder)
    assert (metadata["license"], metadata["license_name"]) == ("other", "our-own-terms")
    assert metadata["license_link"] == "https://example.org/terms"


def test_every_figure_of_the_model_index_is_that_of_the_report(trained: Trained) -> None:
    write(trained)
    report = json.loads((trained.folder / "evaluation.json").read_text(encoding="utf-8"))["reports"][0]
    claims = {claim.name: claim for claim in read_claims(trained.folder)}
    entities = report["results"]["entities"]
    assert claims["word F1"].value == round(report["results"]["words"]["words"]["f1"]["value"], 4)
    assert claims["entity (strict) recall"].value == round(entities["strict"]["micro"]["recall"]["value"], 4)
    assert claims["tags of found words, accuracy"].value == round(report["results"]["pos"]["accuracy"]["value"], 4)
    assert {claim.revision for claim in claims.values()} == {report["data"]["sha256"]}
    assert {claim.dataset for claim in claims.values()} == {"Open test"}
    assert {claim.split for claim in claims.values()} == {"test"}


def test_results_have_intervals_and_both_rules_for_entities(trained: Trained) -> None:
    results = section(write(trained), "Results")
    assert "entities, strict rule" in results
    assert "entities, lenient rule" in results
    assert re.search(r"\| \d+\.\d\d-\d+\.\d\d \|", results)


def test_licences_that_ask_something_are_said_aloud(trained: Trained) -> None:
    said = section(write(trained, licence="cc-by-sa-4.0"), "Licence and origin")
    assert "gpl-3.0 (copyleft" in said
    assert "**Open news**: CC BY-SA 4.0; share-alike" in said
    assert "**Open test**: not stated; no licence is stated; ask its author" in said
    assert "Open news, dev" not in said  # CC0 asks nothing


def test_data_stands_with_splits_sizes_and_checksums(trained: Trained) -> None:
    data = section(write(trained), "Data")
    values = json.loads((trained.folder / "training.json").read_text(encoding="utf-8"))["data"]
    for row in values:
        assert f"| {row['role']} | {row['name']} |" in data
        assert row["sha256"] in data


def test_training_stands_with_all_options_the_table_and_the_plot(trained: Trained) -> None:
    training = section(write(trained), "Training")
    for said in ("`learning_rate` | `2e-05`", "2,000 steps, 7 epochs in 12 min 34 s", "| 1,000 | 3.5 | 0.41 |"):
        assert said in training
    assert "](training.svg)" in training
    assert "the best by `f1` (0.845)" in training
    assert "lexel train recipe.yaml" in training


def test_folders_of_whoever_trained_stay_private(trained: Trained) -> None:
    options = {"model": "/home/me/base", "train": [{"path": "/home/me/train.jsonl", "weight": 1.0}]}
    trained.change(options=options, command="lexel train /home/me/recipe.yaml --seed 1")
    card = write(trained)
    assert "/home/me" not in card
    assert "$ lexel train recipe.yaml --seed 1" in card


def test_a_base_that_is_a_folder_is_no_hub_id(trained: Trained) -> None:
    trained.change(base={"id": "my-base", "revision": None, "commit": None, "licence": "mit"})
    assert "Based on `my-base`: licence mit." in write(trained)
    assert "base_model" not in read_metadata(trained.folder)


def test_labels_stand_with_counts_and_examples(trained: Trained) -> None:
    labels = section(write(trained), "Labels")
    assert "| `B-PER` | 11 | 臺北\\|市 |" in labels


def test_limits_are_drawn_from_the_facts(trained: Trained) -> None:
    limits = section(write(trained, limits="Never of poems."), "Limits")
    assert "traditional Chinese characters 75.0 %, simplified Chinese characters 25.0 %" in limits
    assert "39 characters" in limits
    assert "3 texts of the validation data are also in the training data" in limits
    assert "Never of poems." in limits


def test_the_card_says_how_to_verify_it(trained: Trained) -> None:
    assert "$ lexel verify my-model --data test.jsonl" in section(write(trained), "How to verify")


def test_speed_and_memory_are_measured_on_this_machine(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    card = write_card(trained.folder).path.read_text(encoding="utf-8")
    speed = section(card, "Speed and memory")
    assert re.search(r"\| [\d,]+ \| [\d,.]+ \| ", speed)
    assert "random words of its vocabulary" in speed


def test_the_program_on_the_card_runs(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", write(trained), re.DOTALL)
    monkeypatch.chdir(trained.folder.parent)
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("[") >= 2


def test_what_nobody_knows_is_asked_and_left_out(trained: Trained) -> None:
    result = write_card(trained.folder, measure=False)
    assert result.asked == ("licence", "licence.Open test", "genres", "author")
    assert not has_section(result.path.read_text(encoding="utf-8"), "Authors")


def test_answers_are_kept_for_the_next_card(trained: Trained) -> None:
    write(trained, licence="mit", genres="news", author="A. Person", **{"licence.Open test": "cc0-1.0"})
    result = write_card(trained.folder, answers={"genres": "letters"}, measure=False)
    assert result.asked == ()
    card = result.path.read_text(encoding="utf-8")
    assert "A. Person" in section(card, "Authors")
    assert "letters" in section(card, "Intended use")
    assert "**The weights: mit**" in card


def test_answers_given_to_training_are_taken(trained: Trained) -> None:
    trained.change(options={"card": {"licence": "mit", "language": ["zh", "en"], "author": "B"}})
    result = write_card(trained.folder, measure=False)
    assert "licence" not in result.asked
    assert read_metadata(trained.folder)["language"] == ["zh", "en"]


def test_text_of_facts_cannot_become_markup(trained: Trained) -> None:
    rows = json.loads((trained.folder / "training.json").read_text(encoding="utf-8"))["data"]
    rows[0]["name"] = "a | b\n## <script>"
    trained.change(data=rows)
    card = write(trained)
    assert "\n## <script>" not in card
    assert "a \\| b ## \\<script\\>" in card


def test_a_model_from_random_weights_has_no_base_and_is_not_asked_for_one(trained: Trained) -> None:
    trained.change(base=None)
    result = write_card(trained.folder, measure=False)
    assert "base_model" not in read_metadata(trained.folder)
    assert "Trained from random weights" in result.path.read_text(encoding="utf-8")
    assert "base" not in result.asked


def test_a_base_without_a_licence_is_said_and_asked_for(trained: Trained) -> None:
    trained.change(base={"id": "a/b", "revision": None, "commit": None, "licence": None})
    result = write_card(trained.folder, measure=False)
    assert "base_licence" in result.asked
    assert "[a/b](https://huggingface.co/a/b): licence not stated" in result.path.read_text(encoding="utf-8")


def test_many_files_are_folded_away(trained: Trained) -> None:
    rows = json.loads((trained.folder / "training.json").read_text(encoding="utf-8"))["data"]
    raw = rows[0] | {"weight": 0.35, "words": None, "source": "their authors"}
    rows += [raw | {"name": f"raw {i}", "sha256": f"{i:064d}"} for i in range(25)]
    trained.change(data=rows)
    data = section(write(trained), "Data")
    assert "<details><summary>Files and checksums of 28 files</summary>" in data
    assert "| train | raw 24 | their authors | 0.35 |" in data


def test_a_name_while_training_writes_aside_is_the_name_to_be(trained: Trained) -> None:
    aside = trained.folder.rename(trained.folder.with_name("finished.partial"))
    Trained(aside, trained.test).change(options={"output_dir": "runs/news-tagger"})
    card = write_card(aside, measure=False).path.read_text(encoding="utf-8")
    assert card.count("lexel tag -m news-tagger") == 1


def test_an_answer_to_nothing_is_refused_with_the_nearest(trained: Trained) -> None:
    with pytest.raises(OptionError, match="a card has no question 'licens'; did you mean"):
        write_card(trained.folder, answers={"licens": "mit"})


def test_an_answer_that_is_near_to_nothing_is_answered_with_all_names(trained: Trained) -> None:
    with pytest.raises(OptionError, match="a card has no question 'quotation'; expected one of licence, language"):
        write_card(trained.folder, answers={"quotation": "me"})


def test_it_is_refused_before_any_training() -> None:
    train, heads = (DataFile(path="train.jsonl"),), {"words": HeadOptions(task="words")}
    with pytest.raises(OptionError, match="a card has no question 'autor'; did you mean author"):
        TrainingOptions(train=train, heads=heads, output_dir="out", model="base", card={"autor": "me"})


# Plain folders -------------------------------------------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain folder with a card of a person's."""
    folder = build_tagger(tmp_path / "plain", heads={"entities": ENTITIES})
    (folder / "README.md").write_text(
        "---\nlicense: mit\nlanguage: en\nbase_model: bert-base-cased\nmodel-index:\n- name: plain\n  results:\n"
        "  - task:\n      type: token-classification\n    dataset:\n      name: conll\n      type: conll\n"
        "    metrics:\n    - type: f1\n      value: 0.9\n      name: F1\n---\n# Mine\n",
        encoding="utf-8",
    )
    return folder


def test_a_persons_card_is_not_written_over(plain: Path) -> None:
    with pytest.raises(CheckpointError, match=r"was not written by lexel card.*--replace"):
        write_card(plain, measure=False)
    assert (plain / "README.md").read_text(encoding="utf-8").endswith("# Mine\n")


def test_of_a_persons_card_what_is_still_true_stays(plain: Path) -> None:
    result = write_card(plain, replace_foreign=True, measure=False)
    metadata = read_metadata(plain)
    assert (metadata["license"], metadata["language"], metadata["base_model"]) == ("mit", ["en"], "bert-base-cased")
    assert metadata["library_name"] == "transformers"
    assert result.asked == ("base_licence", "training_data", "genres", "author")


def test_figures_of_a_persons_card_stay_as_its_claims(plain: Path) -> None:
    card = write_card(plain, replace_foreign=True, measure=False).path.read_text(encoding="utf-8")
    assert [(claim.dataset, claim.value) for claim in read_claims(plain)] == [("conll", 0.9)]
    assert "These figures are from the earlier card and were not measured again." in section(card, "Results")


def test_figures_that_were_run_take_the_place_of_claims(plain: Path, trained: Trained) -> None:
    write_json(plain / "evaluation.json", {"format": 1, "reports": [report_on(plain, trained.test)]})
    write_card(plain, replace_foreign=True, measure=False)
    assert {claim.dataset for claim in read_claims(plain)} == {"test"}


def test_a_model_said_to_be_made_from_none_is_made_from_random_weights(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "new", heads={"entities": ENTITIES})
    result = write_card(folder, answers={"base": "none"}, measure=False)
    assert "base" not in result.asked
    assert "base_model" not in read_metadata(folder)
    assert "Trained from random weights" in result.path.read_text(encoding="utf-8")


def test_a_bare_encoder_gets_a_card_without_labels_or_results(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "bare", heads={})
    card = write_card(folder).path.read_text(encoding="utf-8")
    assert "bare encoder" in card
    assert not any(has_section(card, title) for title in ("Labels", "Results", "Training", "Speed and memory"))


def test_a_card_that_is_no_yaml_is_said(plain: Path) -> None:
    (plain / "README.md").write_text("---\nlicense: [mit\n---\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"README\.md: its front matter is not YAML"):
        write_card(plain, replace_foreign=True)


def test_the_card_shows_how_far_scores_can_be_trusted(trained: Trained) -> None:
    written = section(write(trained), "Scores")
    report = json.loads((trained.folder / "evaluation.json").read_text(encoding="utf-8"))["reports"][0]
    errors = [100 * report["results"][layer]["reliability"]["expected_error"] for layer in ("words", "pos", "entities")]
    assert f"| {errors[0]:.2f} | {errors[1]:.2f} | {errors[2]:.2f} |" in written
    assert "](reliability.svg)" in written
    plot = (trained.folder / "reliability.svg").read_text(encoding="utf-8")
    assert plot.startswith("<svg xmlns=")
    assert f"entities: calibration error {errors[2]:.1f}" in plot


def test_the_card_says_on_which_data_scores_were_calibrated(trained: Trained) -> None:
    path = trained.folder / "lexel.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    record = {"data": {"dev.jsonl": "0" * 64}, "predictions": 90, "expected_error": [0.2, 0.03]}
    values["heads"]["entities"]["tuned"] = {"scale": 0.5, "min_score": 0.4, "record": record}
    write_json(path, values)
    written = write(trained)
    assert "**entities** was calibrated on `dev.jsonl`: error 20.0 before, 3.0 after." in written
    assert "Entities with a score below 0.4 are left out" in written


@pytest.mark.parametrize("index", ["[]", "5", "[{name: a}]"])
def test_a_model_index_that_the_hub_does_not_read_is_left_out_with_a_word(
    plain: Path, index: str, caplog: pytest.LogCaptureFixture
) -> None:
    card = f"---\nlicense: mit\nmodel-index: {index}\n---\n# Mine\n"
    (plain / "README.md").write_text(card, encoding="utf-8")
    write_card(plain, replace_foreign=True, measure=False)
    assert "model-index" not in read_metadata(plain)
    assert ("its model-index is left out" in caplog.text) is (index != "[]")


def test_a_speed_that_cannot_be_measured_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert measure_speed(tmp_path / "no", ["a text"], of="texts") is None
    assert "speed and memory were not measured" in caplog.text
    assert "no such folder" in caplog.text
