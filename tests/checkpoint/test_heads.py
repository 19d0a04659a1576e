"""Which heads a folder has: by its architecture and labels, or by ``lexel.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lexel.checkpoint.config import read_config
from lexel.checkpoint.heads import FolderHeads, read_heads
from lexel.errors import CheckpointError, LabelError, LexelError

from .conftest import FolderBuilder

TAGGING = "BertForTokenClassification"


def numbered(*labels: str) -> dict[str, str]:
    return {str(i): label for i, label in enumerate(labels)}


def read(folder: Path, **asked: Any) -> FolderHeads:
    return read_heads(folder, read_config(folder), **asked)


# Plain folders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "name", "task", "scheme", "word_label"),
    [
        (("B", "I"), "words", "words", "BI", None),
        (("B", "M", "E", "S"), "words", "words", "BMES", None),
        (("O", "B-PER", "I-PER"), "entities", "entities", "BIO", None),
        (("O", "B-PER", "I-PER", "E-PER", "S-PER"), "entities", "entities", "BIOES", None),
        (("B-Na", "I-Na", "B-VC", "I-VC"), "words+pos", "words+pos", "BIO", "first"),
        (("Na", "VC", "Caa"), "pos", "pos", "bare", "first"),
    ],
)
def test_tagging_head_follows_from_its_labels(build_folder, labels, name, task, scheme, word_label) -> None:
    head = read(build_folder({"architectures": [TAGGING], "id2label": numbered(*labels)})).heads[name]
    assert (head.name, head.task, head.scheme, head.word_label) == (name, task, scheme, word_label)
    assert (head.labels, head.prefix) == (labels, "classifier")


@pytest.mark.parametrize(
    ("model_type", "architecture", "name", "prefix"),
    [
        ("bert", "BertForMaskedLM", "fill", "cls.predictions"),
        ("bert", "BertForPreTraining", "fill", "cls.predictions"),
        ("roberta", "RobertaForMaskedLM", "fill", "lm_head"),
        ("bert", "BertForSequenceClassification", "classify", "classifier"),
        ("bert", "BertForQuestionAnswering", "answer", "qa_outputs"),
    ],
)
def test_other_head_follows_from_its_architecture(build_folder, model_type, architecture, name, prefix) -> None:
    folder = build_folder({"model_type": model_type, "architectures": [architecture], "pad_token_id": 1})
    heads = read(folder).heads
    assert list(heads) == [name]
    assert heads[name].prefix == prefix


@pytest.mark.parametrize(
    "architectures", [None, ["BertModel"], ["BertForMultipleChoice"], ["BertForNextSentencePrediction"]]
)
def test_folder_without_a_head_that_is_read_has_none(build_folder, architectures) -> None:
    assert read(build_folder({"architectures": architectures})).heads == {}


def test_discriminator_of_electra_fills_no_masks(build_folder: FolderBuilder) -> None:
    folder = build_folder({"model_type": "electra", "embedding_size": 4, "architectures": ["ElectraForPreTraining"]})
    assert read(folder).heads == {}


def test_names_that_say_nothing_are_refused_with_advice(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match=r"config\.json: the labels are LABEL_0, LABEL_1, which have no meaning"):
        read(build_folder({"id2label": numbered("LABEL_0", "LABEL_1")}))


def test_absent_names_are_refused_as_what_transformers_makes_up(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match="LABEL_0, LABEL_1"):
        read(build_folder({"id2label": None}))


def test_caller_can_give_the_labels(build_folder: FolderBuilder) -> None:
    found = read(build_folder({"id2label": numbered("LABEL_0", "LABEL_1")}), labels=["B", "I"])
    assert found.heads["words"].labels == ("B", "I")
    assert found.labels_from == "the labels given"


def test_caller_can_give_the_scheme(build_folder: FolderBuilder) -> None:
    found = read(build_folder({"id2label": numbered("LABEL_0", "LABEL_1")}), scheme="bare")
    assert found.heads["pos"].scheme == "bare"


def test_labels_given_make_a_nameless_architecture_a_tagger(build_folder: FolderBuilder) -> None:
    assert list(read(build_folder({"architectures": None}), labels=["B", "I"]).heads) == ["words"]


def test_labels_given_must_be_as_many_as_the_files(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match=r"3 names given \(B, I, O\), .*config\.json has 2 \(B, I\)"):
        read(build_folder(), labels=["B", "I", "O"])


def test_labels_given_as_one_string_are_refused(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match="'BI' is one string"):
        read(build_folder(), labels="BI")


def test_labels_for_a_head_that_does_not_tag_are_refused(build_folder: FolderBuilder) -> None:
    folder = build_folder({"architectures": ["BertForMaskedLM"]})
    save_file({"bert.x": np.ones(1, np.float32)}, folder / "model.safetensors")
    with pytest.raises(LabelError, match=r"BertForMaskedLM has no tagging head, .* \(none\) no single map"):
        read(folder, labels=["B", "I"])


def test_pieces_are_the_tokenizers_unless_something_says_otherwise(build_folder: FolderBuilder) -> None:
    assert read(build_folder(), repo_id="owner/name").pieces == "tokenizer"


def test_checkpoints_of_ckiplab_read_characters(build_folder: FolderBuilder) -> None:
    assert read(build_folder(), repo_id="ckiplab/bert-base-chinese-ws").pieces == "chars"


def test_fine_tune_of_ckips_base_does_not_read_characters(build_folder: FolderBuilder) -> None:
    assert read(build_folder(), repo_id="someone/ckiplab-bert-base-chinese-ner").pieces == "tokenizer"


def test_caller_can_overrule_the_pieces(build_folder: FolderBuilder) -> None:
    assert read(build_folder(), repo_id="ckiplab/x", pieces="tokenizer").pieces == "tokenizer"


def test_unknown_pieces_are_refused(build_folder: FolderBuilder) -> None:
    with pytest.raises(CheckpointError, match="'bytes'; expected one of chars, tokenizer"):
        read(build_folder(), pieces="bytes")


# lexel.json ----------------------------------------------------------------------------------------------------------

WORDS = {"task": "words", "labels": ["B", "I"], "scheme": "BI", "prefix": "heads.words"}
POS = {"task": "pos", "labels": ["NOUN", "VERB"], "scheme": "bare", "prefix": "heads.pos", "word_label": "mean"}
ENTITIES = {"task": "entities", "labels": ["O", "B-X", "I-X"], "scheme": "BIO", "prefix": "heads.entities"}
JOINT = {
    "format": 1,
    "pieces": "chars",
    "heads": {"words": WORDS, "pos": POS, "entities": ENTITIES},
    "base": {"id": "owner/base"},
    "made": {"recipe": "x"},
}


def lexel_folder(build_folder: FolderBuilder, values: Any, config: dict[str, Any] | None = None) -> Path:
    return build_folder({"id2label": None, **(config or {})}, files={"lexel.json": json.dumps(values)})


def test_lexel_json_gives_every_head(build_folder: FolderBuilder) -> None:
    found = read(lexel_folder(build_folder, JOINT))
    assert [(head.name, head.task, head.scheme, head.word_label) for head in found.heads.values()] == [
        ("words", "words", "BI", None),
        ("pos", "pos", "bare", "mean"),
        ("entities", "entities", "BIO", None),
    ]
    assert found.heads["pos"].prefix == "heads.pos"
    assert (found.pieces, found.base, found.made) == ("chars", {"id": "owner/base"}, {"recipe": "x"})
    assert found.labels_from == "lexel.json"


def test_caller_can_overrule_the_pieces_of_lexel_json(build_folder: FolderBuilder) -> None:
    assert read(lexel_folder(build_folder, JOINT), pieces="tokenizer").pieces == "tokenizer"


def test_labels_can_be_given_for_the_one_tagging_head_of_lexel_json(build_folder: FolderBuilder) -> None:
    folder = lexel_folder(build_folder, {**JOINT, "heads": {"words": WORDS}})
    assert read(folder, labels=["I", "B"]).heads["words"].labels == ("I", "B")


def test_labels_cannot_be_given_for_several_heads(build_folder: FolderBuilder) -> None:
    with pytest.raises(LabelError, match="has the tagging heads words, pos, entities"):
        read(lexel_folder(build_folder, JOINT), labels=["B", "I"])


def changed(**changes: Any) -> dict[str, Any]:
    return {**JOINT, **changes}


def with_head(**changes: Any) -> dict[str, Any]:
    return {**JOINT, "heads": {"words": {**WORDS, **changes}}}


WRONG: dict[str, tuple[Any, str]] = {
    "newer format": (changed(format=2, novelty=1), r"format 2 is newer than this Lexel reads \(1\)"),
    "format a string": (changed(format="1"), "format is '1'; expected 1"),
    "format true": (changed(format=True), "format is True"),
    "no format": ({"pieces": "chars", "heads": {}}, "format is None"),
    "unknown key": (changed(head={}), "unknown key 'head'; expected adapter, base, format, heads, made, pieces"),
    "no pieces": ({"format": 1, "heads": {}}, "no 'pieces'"),
    "unknown pieces": (changed(pieces="bytes"), "pieces is 'bytes'; expected one of chars, tokenizer"),
    "heads a list": (changed(heads=[WORDS]), "heads is a list; expected an object"),
    "head a string": (changed(heads={"words": "B I"}), "head 'words' is a str; expected an object"),
    "base a string": (changed(base="owner/base"), "base is a str"),
    "unknown key in a head": (with_head(bias=1), "head 'words': unknown key 'bias'"),
    "no task": (changed(heads={"words": {"labels": ["B", "I"], "prefix": "x"}}), "head 'words': no 'task'"),
    "unknown task": (with_head(task="parse"), "task is 'parse'; expected one of words, pos"),
    "task a list": (with_head(task=["words"]), r"task is \['words'\]"),
    "labels a string": (with_head(labels="BI"), "labels is 'BI'; expected a list of names"),
    "labels of numbers": (with_head(labels=[0, 1]), r"labels is \[0, 1\]"),
    "no labels": (with_head(labels=[]), "head 'words': no labels"),
    "label twice": (with_head(labels=["B", "B"]), "appears more than once"),
    "unknown scheme": (with_head(scheme="XYZ"), "'XYZ' is not a scheme"),
    "labels do not fit the scheme": (with_head(scheme="BIOES"), "does not fit scheme BIOES"),
    "labels do not fit the task": (with_head(labels=["O", "B-X", "I-X"], scheme="BIO"), r"is for words, its labels"),
    "prefix with a space": (with_head(prefix="heads words"), "prefix is 'heads words'"),
    "prefix with a last dot": (with_head(prefix="heads."), "prefix is 'heads.'"),
    "unknown word_label": (with_head(word_label="last"), "word_label is 'last'; expected one of first, mean"),
    "name with a space": (changed(heads={"my words": WORDS}), "name of a head is 'my words'"),
    "one prefix for two": (changed(heads={"a": WORDS, "b": WORDS}), "two heads have the prefix 'heads.words'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lexel_json_is_refused_by_its_fault(build_folder: FolderBuilder, case: str) -> None:
    values, message = WRONG[case]
    with pytest.raises(LexelError, match=message):
        read(lexel_folder(build_folder, values))


def test_lexel_json_that_is_not_json_is_refused(build_folder: FolderBuilder) -> None:
    with pytest.raises(CheckpointError, match=r"lexel\.json:1: not JSON"):
        read(build_folder(files={"lexel.json": "{"}))


def test_single_head_must_have_the_labels_of_config_json(build_folder: FolderBuilder) -> None:
    values = with_head(prefix="classifier", labels=["I", "B"])
    with pytest.raises(LabelError, match=r"has 2 labels \(I, B\), id2label in config\.json 2 \(B, I\)"):
        read(lexel_folder(build_folder, values, {"id2label": numbered("B", "I")}))


def test_single_head_may_put_made_up_names_right(build_folder: FolderBuilder) -> None:
    folder = lexel_folder(build_folder, with_head(prefix="classifier"), {"id2label": numbered("LABEL_0", "LABEL_1")})
    assert read(folder).heads["words"].labels == ("B", "I")
