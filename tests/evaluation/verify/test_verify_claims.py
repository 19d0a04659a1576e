"""Which figure a claim means, and which data it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexel.disk import sha256_of
from lexel.errors import DataError
from lexel.evaluation.verify.claimed_data import Labelled, match
from lexel.evaluation.verify.claims import Claim, Figure, figure_of

ALL = ("words", "pos", "entities")


@pytest.mark.parametrize(
    ("type", "name", "layers", "figure"),
    [
        ("f1", "F1", ("entities",), Figure("entities", "f1")),
        ("precision", "Precision", ("entities",), Figure("entities", "precision")),
        ("f1", "Test F1-Score", ("words",), Figure("words", "f1")),
        ("accuracy", "Accuracy", ("entities",), Figure("tags", "accuracy")),
        ("accuracy", "Accuracy", ("pos",), Figure("pos", "accuracy")),
        ("f1", "word F1", ALL, Figure("words", "f1")),
        ("f1", "words with UPOS, F1", ALL, Figure("pos", "f1")),
        ("f1", "entity F1", ALL, Figure("entities", "f1")),
        ("f1", "entity (strict) F1", ALL, Figure("entities", "f1", "strict")),
        ("f1", "NER macro F1 by conlleval", ALL, Figure("entities", "f1", "lenient", "macro")),
        ("seqeval", "F1", ("entities",), Figure("entities", "f1")),
        ("recall", "NER Recall", ALL, Figure("entities", "recall")),
    ],
)
def test_a_name_means_a_figure(type: str, name: str, layers: tuple[str, ...], figure: Figure) -> None:
    assert figure_of(Claim("d", 0.5, type, name), layers) == figure


@pytest.mark.parametrize(
    ("type", "name", "why"),
    [
        ("loss", "Loss", "'Loss' is not a figure that Lexel re-runs (loss)"),
        ("f_score", "Sentences F-Score", "(sentences)"),
        ("f1", "PER F1", "(per)"),
        ("f1", "weighted F1", "(weighted)"),
        ("f1", "F1", "does not say of what; the model reads words, pos, entities"),
        ("f1", "entity precision", "names f1 and precision"),
        ("score", "entities", "names none"),
    ],
)
def test_a_name_that_means_something_else_is_left_alone(type: str, name: str, why: str) -> None:
    said = figure_of(Claim("d", 0.5, type, name), ALL)
    assert isinstance(said, str)
    assert why in said


def test_what_a_claim_says_of_itself_wins_over_its_name() -> None:
    args = {"layer": "entities", "rule": "strict", "average": "macro"}
    assert figure_of(Claim("d", 0.5, "f1", "our figure: F1", args=args), ALL) == Figure(
        "entities", "f1", "strict", "macro"
    )


@pytest.mark.parametrize(
    ("value", "number"),
    [(0.9, 0.9), (92, 92.0), ("92.1 ± 0.3", 92.1), ("0.9", 0.9), ("good", None), (True, None), ([0.9], None)],
)
def test_a_value_is_read_as_a_number_if_it_holds_one(value: object, number: float | None) -> None:
    assert Claim("d", value, "f1").number == number


# Data ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Labelled]:
    """Files under names as people give them."""
    found = {}
    for name in ("zh_gsd/test.jsonl", "zh_gsd/dev.jsonl", "zh_hk/test.jsonl", "other.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{{"text": "{name}"}}\n', encoding="utf-8")
        found[name] = Labelled.at(path)
    return found


GSD = Claim("UD Chinese GSD", 0.9, "f1", dataset_type="zh_gsd", split="test")
GSD_DEV = Claim("UD Chinese GSD", 0.9, "f1", dataset_type="zh_gsd", split="validation")
HK = Claim("UD Chinese HK", 0.9, "f1", dataset_type="zh_hk", split="test")


def test_one_file_and_one_data_set_belong_together(files: dict[str, Labelled]) -> None:
    assert match([HK, HK], [files["other.jsonl"]]) == [files["other.jsonl"]] * 2


def test_a_file_is_known_by_its_folder_and_part(files: dict[str, Labelled]) -> None:
    given = [files["zh_hk/test.jsonl"], files["zh_gsd/dev.jsonl"]]
    assert match([GSD, HK, GSD_DEV], given) == [None, *given]


def test_a_file_is_known_by_its_checksum_whatever_it_is_called(files: dict[str, Labelled]) -> None:
    file = files["other.jsonl"]
    claim = Claim("something", 0.9, "f1", revision=sha256_of(file.path))
    assert match([HK, claim], [file]) == [None, file]


def test_a_caller_can_say_which_data_a_file_is(files: dict[str, Labelled]) -> None:
    file = Labelled.at(files["other.jsonl"].path, dataset="ud chinese hk")
    assert match([GSD, HK], [file]) == [None, file]


@pytest.mark.parametrize(
    ("name", "dataset", "said"),
    [
        (
            "other.jsonl",
            None,
            r"other\.jsonl: its name does not say which data set it is; the card is about UD Chinese",
        ),
        (
            "other.jsonl",
            "CTB",
            "no data set is called 'CTB'; the card is about UD Chinese GSD, test; UD Chinese HK, test",
        ),
    ],
)
def test_a_file_that_is_no_claims_data_is_refused(
    name: str, dataset: str | None, said: str, files: dict[str, Labelled]
) -> None:
    with pytest.raises(DataError, match=said):
        match([GSD, HK], [Labelled.at(files[name].path, dataset=dataset)])
