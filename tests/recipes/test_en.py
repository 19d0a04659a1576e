"""The recipe of the English model runs whole, in small, and its vocabulary tells capitals apart."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lexel
from tests.builders import bert_config, bert_tensors, write_folder

ROOT = Path(__file__).parents[2]
SETS = ("en_ewt", "en_wnut17", "en_btc", "en_crossner_ai", "en_crossner_politics", "en_crossner_science")
PERSON = {
    "en_wnut17": "person",
    "en_crossner_ai": "researcher",
    "en_crossner_politics": "politician",
    "en_crossner_science": "scientist",
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIGNS = [chr(code) for code in range(33, 127) if not chr(code).isupper()]


def load_vocabulary() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vocabulary_of_recipe", ROOT / "recipes/en/vocabulary.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


vocabulary = load_vocabulary()


def read(part: slice) -> list[dict[str, Any]]:
    lines = (ROOT / "tests/data/en_ewt.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[part]]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labelled sets in the recipe's layout, cut short; each set spells its types in its own way."""
    folder = tmp_path_factory.mktemp("corpora")
    for k, name in enumerate(SETS):
        for split, part in (("train", slice(40 * k, 40 * k + 40)), ("dev", slice(240, 320)), ("test", slice(320, 400))):
            path = folder / "labelled" / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as lines:
                for record in read(part):
                    label = PERSON.get(name, "PER")
                    entities = [[start, end, label] for start, end, _ in record["entities"] or []]
                    said = {"id": record["id"], "text": record["text"], "words": record["words"]}
                    said |= {"upos": record["pos"] if name == "en_ewt" else None, "entities": entities}
                    print(json.dumps(said), file=lines)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny uncased encoder without heads."""
    words = sorted(
        {word for record in read(slice(0, 400)) for word in record["text"].lower().split() if word.isalpha()}
    )
    vocab = [*SPECIAL, *SIGNS, *(f"##{sign}" for sign in SIGNS if sign.isalnum()), *words]
    config = bert_config(vocab_size=len(vocab), max_position_embeddings=128)
    tensors = {name.removeprefix("bert."): tensor for name, tensor in bert_tensors(config, {}).items()}
    folder = tmp_path_factory.mktemp("base")
    write_folder(folder, config, tensors, vocab)
    return folder


def make(corpora: Path, base: Path, work: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "recipes/en/make.py", "--corpora", corpora, "--base", base]
    command += ["--work", work, "--out", out, "--fast"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(corpora: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The working folder and the finished folder of one run."""
    work, out = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("made") / "en"
    run = make(corpora, base, work, out)
    assert run.returncode == 0, run.stderr
    return work, out


def test_the_finished_folder_reads_english_with_contractions_apart(made: tuple[Path, Path]) -> None:
    nlp = lexel.load(made[1])
    assert set(nlp.layers) == {"words", "pos", "entities"}
    text = "I don't think they cannot."
    assert "".join(word.text for word in nlp(text).words) == text.replace(" ", "")
    pieces = nlp.flows[0].tokenizer.encode([text])
    assert {(4, 5), (5, 6)} <= set(zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True))


def test_labels_of_every_set_are_mapped(made: tuple[Path, Path]) -> None:
    for name in SETS:
        lines = (made[0] / "gold" / name / "train.jsonl").read_text(encoding="utf-8").splitlines()
        assert {label for line in lines for _, _, label in json.loads(line)["entities"]} == {"PER"}


def test_its_weights_are_in_eight_bits_and_its_scores_calibrated(made: tuple[Path, Path]) -> None:
    nlp = lexel.load(made[1])
    assert nlp.flows[0].checkpoint.open_weights().dtype == "int8"
    assert nlp.layers["words"].head.tuned.record["data"]


def test_its_card_names_base_and_data(made: tuple[Path, Path]) -> None:
    card = (made[1] / "README.md").read_text(encoding="utf-8")
    assert "sentence-transformers/all-MiniLM-L6-v2" in card
    assert all(name in card for name in SETS)


def test_the_same_command_again_trains_nothing(
    corpora: Path, base: Path, made: tuple[Path, Path], tmp_path: Path
) -> None:
    run = make(corpora, base, made[0], tmp_path / "again")
    assert run.returncode == 0, run.stderr
    assert "finetune: done before" in run.stderr
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (made[1] / "model.safetensors").read_bytes()


# The vocabulary ------------------------------------------------------------------------------------------------------

UNCASED = [*SPECIAL, *"abcdelnopst.,'", *(f"##{letter}" for letter in "abcdelnopst"), "the", "london", "##land", "可"]


def chosen(texts: list[str], n_pieces: int = 80) -> Any:
    embeddings = np.random.default_rng(0).normal(size=(len(UNCASED), 8)).astype(np.float32)
    return vocabulary.choose_pieces(UNCASED, embeddings, texts, n_pieces=n_pieces), embeddings


def test_a_name_has_a_capital_and_a_common_word_both_forms() -> None:
    found, _ = chosen(["The London the London the the London. The end"] * 20, n_pieces=58)
    assert {"The", "the", "London"} <= set(found.pieces)
    assert "london" not in found.pieces
    assert "可" not in found.pieces


def test_capitals_are_one_direction_from_the_uncased_embedding() -> None:
    found, embeddings = chosen(["The London the LONDON The"] * 20)
    made = found.embeddings(embeddings)
    moved = made - embeddings[found.origins]
    capitalised = moved[found.shapes == 1]
    assert len(capitalised) > 3
    assert np.allclose(capitalised, capitalised[0], atol=1e-5)
    assert np.linalg.norm(capitalised[0]) > 0.1
    assert not moved[found.shapes == 0].any()


def test_every_letter_is_a_piece_in_both_cases_also_inside_words() -> None:
    found, _ = chosen(["the"], n_pieces=70)
    assert {"a", "A", "##a", "##A", ".", ","} <= set(found.pieces)
    assert "##." not in found.pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("don't", ["d", "##o", "n", "'", "t"]),
        ("cannot", ["c", "##a", "##n", "n", "##o", "##t"]),
        ("cannots", ["c", "##a", "##n", "##n", "##o", "##t", "##s"]),
        ("nt's", ["n", "##t", "'", "s"]),
    ],
)
def test_contractions_are_cut_before_the_parts_that_are_words(text: str, pieces: list[str]) -> None:
    backend = vocabulary.build_tokenizer([*SPECIAL, *UNCASED[5:-3]])
    assert backend.encode(text, add_special_tokens=False).tokens == pieces
