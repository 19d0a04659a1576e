"""Recipes: options as YAML and as words on a command line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.errors import OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.config.recipe import build_options, first_data_file, read_recipe, read_words, write_recipe
from lexel.training.config.values import Value

SHORT = "model: some/model\nheads: [words]\ntrain: train.jsonl\noutput_dir: out\n"


def read(tmp_path: Path, text: str, **words: list[str]) -> TrainingOptions:
    """The options of a recipe, with words from the command line."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    typed = {name: read_words(name, given, where=f"--{name}") for name, given in words.items()}
    return build_options(read_recipe(path), typed)


def test_relative_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    options = read(tmp_path, SHORT.replace("some/model", "base") + "tokenizer: ../pieces\nvalidation: [dev.conllu]\n")
    assert options.train == (DataFile(path=str(tmp_path / "train.jsonl")),)
    assert options.validation == (DataFile(path=str(tmp_path / "dev.conllu")),)
    assert options.output_dir == str(tmp_path / "out")
    assert options.model == str(tmp_path / "base")
    assert options.tokenizer == str(tmp_path.parent / "pieces")


def test_a_model_that_is_no_folder_there_is_a_hub_id(tmp_path: Path) -> None:
    assert read(tmp_path, SHORT).model == "some/model"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("learning_rate: 2e-5", "learning_rate", 2e-5),
        ("learning_rate: '1'", "learning_rate", 1.0),
        ("num_train_epochs: 7", "num_train_epochs", 7.0),
        ("eval_strategy: no", "eval_strategy", "no"),
        ("packing: off", "packing", False),
        ("bf16: null", "bf16", None),
        ("bf16: true", "bf16", True),
        ("report_to: tensorboard, wandb", "report_to", ("tensorboard", "wandb")),
        ("report_to: []", "report_to", ()),
        ("class_weights: balanced", "class_weights", "balanced"),
        ("class_weights: {O: 0.5, NO: 1}", "class_weights", {"O": 0.5, "NO": 1.0}),
        ("config: {hidden_act: relu, layers: [1, 2], eps: 1e-5, x: '1', on: false}", "config",
         {"hidden_act": "relu", "layers": [1, 2], "eps": 1e-5, "x": "1", "on": False}),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_option_not_as_yaml_would(tmp_path: Path, line: str, name: str, value: Any) -> None:
    read_value = getattr(read(tmp_path, f"{SHORT}{line}\n"), name)
    assert read_value == value
    assert type(read_value) is type(value)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ("[words, entities]", {"words": HeadOptions(task="words"), "entities": HeadOptions(task="entities")}),
        ("words, pos", {"words": HeadOptions(task="words"), "pos": HeadOptions(task="pos")}),
        ("{words: , ner: entities}", {"words": HeadOptions(task="words"), "ner": HeadOptions(task="entities")}),
        ("{words: {loss_weight: 2}}", {"words": HeadOptions(task="words", loss_weight=2.0)}),
        ("{ner: {task: entities, scheme: BIOES, labels: [O, B-X]}}",
         {"ner": HeadOptions(task="entities", scheme="BIOES", labels=("O", "B-X"))}),
    ],
)  # fmt: skip
def test_heads_have_short_forms(tmp_path: Path, heads: str, expected: dict[str, HeadOptions]) -> None:
    assert read(tmp_path, SHORT.replace("[words]", heads)).heads == expected


def test_a_file_may_say_how_it_is_read(tmp_path: Path) -> None:
    entry = "{path: a.conllu, weight: 0.5, layers: [words], fold: {SCONJ: {RB: ADV}}, label_map: {NO: YES}}"
    (file,) = read(tmp_path, SHORT.replace("train.jsonl", entry)).train
    assert file == DataFile(
        path=str(tmp_path / "a.conllu"),
        weight=0.5,
        layers=("words",),
        fold={"SCONJ": {"RB": "ADV"}},
        label_map={"NO": "YES"},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rat: 1", "recipe.yaml:5: unknown option 'learning_rat'; did you mean 'learning_rate'?"),
        ("learning_steps: 1", "unknown option 'learning_steps'; see lexel train --help"),
        ("model_name_or_path: x", "unknown option 'model_name_or_path'; did you mean 'model'?"),
        ("learning_rate: fast", "recipe.yaml:5: learning_rate: 'fast'; expected a number"),
        ("epochz: 1", "recipe.yaml:5: unknown option 'epochz'; see lexel train --help"),
        ("validation: {path: a, fold: {SCONJ: x}}", "recipe.yaml:5: SCONJ: 'x'; expected keys and values"),
        ("seed: 1.5", "seed: '1.5'; expected a whole number"),
        ("seed: [1]", "seed: a list; expected a whole number"),
        ("config: big", "config: 'big'; expected keys and values"),
        ("packing: maybe", "packing: 'maybe'; expected true or false"),
        ("optim: sgd", "optim: 'sgd'; expected one of adamw_torch, muon"),
        ("class_weights: even", "class_weights: 'even'; expected balanced or keys and values"),
        ("learning_rate: -1", "recipe.yaml:5: learning_rate: -1.0; expected a number above 0"),
        ("method: p-tuning", "recipe.yaml:5: 'p-tuning' is refused: it adds virtual pieces"),
        ("validation:\n  - path: a\n    wieght: 2", "recipe.yaml:7: unknown option 'wieght'; did you mean 'weight'?"),
        ("validation:\n  - weight: 2", "recipe.yaml:6: path: not given; expected by every data file"),
        ("validation:\n  - path: a\n    weight: 0", "recipe.yaml:6: a data file's weight: 0.0"),
        ("seed: 1\nseed: 2", "recipe.yaml:6: duplicate key 'seed'"),
        ("a: &x 1\nseed: *x", "recipe.yaml:6: an alias; expected the value itself"),
        ("seed: [", "not YAML"),
        ("seed: 1\n  b: 2", "recipe.yaml:6: not YAML"),
        ("? [a, b]\n: 1", "recipe.yaml:5: a key of several parts"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        read(tmp_path, f"{SHORT}{text}\n")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        read(tmp_path, "heads: {words: {los_weight: 2}}\nseed: x\nepochs: 2\n")
    for part in (":1: unknown option 'los_weight'", ":2: seed", ":3: unknown option 'epochs'", "train, output_dir"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "- words\n", "words\n"])
def test_a_file_without_options_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(OptionError, match="expected options"):
        read(tmp_path, text)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.yaml: no such file"):
        read_recipe(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"model: \xff\n")
    with pytest.raises(OptionError, match="is not UTF-8"):
        read_recipe(tmp_path / "recipe.yaml")


def test_the_recipe_on_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    options = read(tmp_path, recipe)
    assert (options.learning_rate, options.eval_steps, len(options.heads)) == (2e-5, 1000, 3)


# The command line ----------------------------------------------------------------------------------------------------


def test_the_command_line_wins(tmp_path: Path) -> None:
    options = read(tmp_path, f"{SHORT}seed: 1\nconfig: {{a: 1, b: 2}}\n", seed=["2"], config=["b=3"], train=["x.seg"])
    assert (options.seed, options.config) == (2, {"a": 1, "b": 3})
    assert options.train == (DataFile(path="x.seg"),)


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("train", ["a.seg", "{path: b.seg, weight: 2}"], (DataFile(path="a.seg"), DataFile(path="b.seg", weight=2.0))),
        ("heads", ["words,pos", "entities"], ("words", "pos", "entities")),
        ("heads", ["{ner: entities}"], ("ner",)),
        ("report_to", ["wandb", "tensorboard"], ("wandb", "tensorboard")),
        ("class_weights", ["balanced"], "balanced"),
        ("class_weights", ["O=0.5", "B-X=2"], {"O": 0.5, "B-X": 2.0}),
        ("card", ["licence=mit", "intended_use=a = b"], {"licence": "mit", "intended_use": "a = b"}),
        ("card", ["{languages: [zh, en]}"], {"languages": ["zh", "en"]}),
        ("bf16", ["false"], False),
    ],
)
def test_words_are_read_as_their_option(tmp_path: Path, name: str, words: list[str], expected: Any) -> None:
    value = getattr(read(tmp_path, SHORT, **{name: words}), name)
    assert (tuple(value) if name == "heads" else value) == expected


def test_what_is_wrong_on_the_command_line_is_named_by_the_option(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^--learning_rate: 'x'; expected a number$"):
        read(tmp_path, SHORT, learning_rate=["x"])


def test_the_first_file_is_known_before_all_options_are(tmp_path: Path) -> None:
    words = read_words("train", ["a.seg", "b.seg"], where="--train-file")
    assert first_data_file({"train": words}) == DataFile(path="a.seg")
    assert first_data_file({}) is None
    assert first_data_file({"train": Value({"pth": Value("a", "x")}, "x")}) is None


# Writing -------------------------------------------------------------------------------------------------------------


def test_a_written_recipe_means_the_same_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "base").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    heads = {"ner": HeadOptions(task="entities", scheme="BIOES")}
    options = TrainingOptions(
        train=(DataFile(path="a.jsonl"),), heads=heads, output_dir="out", model="base", tokenizer=str(tmp_path)
    )
    write_recipe(options, tmp_path / "there" / "recipe.yaml")
    back = build_options(read_recipe(tmp_path / "there" / "recipe.yaml"))
    assert back.train[0].path == str(tmp_path / "here" / "a.jsonl")
    assert (back.output_dir, back.model) == (str(tmp_path / "here" / "out"), str(tmp_path / "here" / "base"))
    assert (back.tokenizer, back.heads) == (str(tmp_path), heads)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(st.text("abYNOn01-", min_size=1, max_size=4), min_size=1, unique=True),
    st.floats(1e-9, 1.0),
    st.dictionaries(NAMES, PLAIN, max_size=3),
    st.sampled_from([None, True, False]),
)
def test_options_come_back_whatever_yaml_would_take_their_values_for(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str], rate: float, config: dict[str, Any], bf16: bool | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "recipe.yaml"
    options = TrainingOptions(
        train=(DataFile(path=os.path.abspath("a.jsonl"), label_map={label: "no" for label in labels}),),
        heads={"pos": HeadOptions(task="pos", labels=tuple(labels))},
        output_dir=os.path.abspath("out"),
        model="owner/name",
        learning_rate=rate,
        config=config,
        bf16=bf16,
    )
    write_recipe(options, path)
    first = path.read_bytes()
    assert build_options(read_recipe(path)) == options
    write_recipe(options, path)
    assert path.read_bytes() == first
