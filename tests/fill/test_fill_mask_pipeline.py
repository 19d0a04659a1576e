"""Lexel's fill-mask pipeline gives what transformers' gives."""

from __future__ import annotations

import logging as python_logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline as transformers_pipeline

import lexel
from lexel.errors import DataError

from .conftest import sentences_of

FAMILIES = ("bert", "roberta", "albert", "distilbert")


def masked(family: str) -> tuple[list[str], list[str]]:
    """Real sentences with one mask, and with several, as the family writes them."""
    mask = "<mask>" if family == "roberta" else "[MASK]"
    texts = sentences_of("en_ewt", 12) + ([] if family == "roberta" else sentences_of("zh_gsd", 6))
    texts = [text[:40] for text in texts if len(text) > 20]
    one = [f"{text[:10]}{mask}{text[12:]}" for text in texts] + [f"{mask} to go .", f"go to {mask}", mask]
    several = [f"{text[:10]}{mask} {mask}{text[12:20]}{mask}" for text in texts[:6]]
    return one, several


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def their_pipe(family: str, folders: dict[str, Path]) -> Any:
    return transformers_pipeline("fill-mask", model=str(folders[family]), device=-1, dtype=torch.float32)


@pytest.fixture(scope="module")
def our_pipe(family: str, folders: dict[str, Path]) -> Any:
    return lexel.pipeline("fill-mask", model=str(folders[family]), threads=1)


def assert_same(ours: Any, expected: Any) -> None:
    """The same candidates in the same shape; scores within 1e-5."""
    __tracebackhide__ = True
    assert type(ours) is type(expected)
    if isinstance(ours, list):
        assert len(ours) == len(expected)
        for mine, their in zip(ours, expected, strict=True):
            assert_same(mine, their)
        return
    assert list(ours) == list(expected)
    assert [type(value) for value in ours.values()] == [type(value) for value in expected.values()]
    assert abs(ours["score"] - expected["score"]) < 1e-5
    assert {**ours, "score": 0} == {**expected, "score": 0}


def test_one_mask_gives_the_same(family: str, our_pipe: Any, their_pipe: Any) -> None:
    one, _ = masked(family)
    assert_same(our_pipe(one), their_pipe(one))


def test_several_masks_give_the_same(family: str, our_pipe: Any, their_pipe: Any) -> None:
    _, several = masked(family)
    assert_same(our_pipe(several, top_k=3), their_pipe(several, top_k=3))


def test_a_text_and_a_list_of_one_give_the_same(family: str, our_pipe: Any, their_pipe: Any) -> None:
    one, several = masked(family)
    for inputs in (one[0], [one[0]], several[0], [several[0]]):
        assert_same(our_pipe(inputs), their_pipe(inputs))


@pytest.mark.parametrize("targets", ["to", ["to", "in", "a"], ["to", "to"], ["zzyx", "to"]])
@pytest.mark.filterwarnings("ignore")
def test_targets_give_the_same(targets: Any, family: str, our_pipe: Any, their_pipe: Any) -> None:
    one, several = masked(family)
    for inputs in (one, several):
        assert_same(our_pipe(inputs, targets=targets), their_pipe(inputs, targets=targets))
    assert_same(our_pipe(one[0], targets=targets, top_k=1), their_pipe(one[0], targets=targets, top_k=1))


def test_options_of_the_pipeline_are_those_of_its_calls(folders: dict[str, Path]) -> None:
    pipe = lexel.pipeline("fill-mask", model=folders["bert"], targets=["to", "in", "went"], top_k=2, threads=1)
    assert [len(pipe("go [MASK]")), len(pipe("go [MASK]", top_k=3))] == [2, 3]


def test_the_head_chooses_the_task(folders: dict[str, Path]) -> None:
    assert lexel.pipeline(model=folders["bert"], engine="numpy", precision="auto").task == "fill-mask"


def test_any_iterable_gives_an_iterator(folders: dict[str, Path]) -> None:
    pipe = lexel.pipeline("fill-mask", model=folders["bert"], threads=1)
    found = pipe(text for text in ("go [MASK]", "[MASK] in"))
    assert not isinstance(found, list)
    assert list(found) == pipe(["go [MASK]", "[MASK] in"])


def test_a_long_text_is_read_around_its_mask_where_theirs_fails(folders: dict[str, Path]) -> None:
    text = "the new york " * 60
    (found, *_) = lexel.pipeline("fill-mask", model=folders["bert"], threads=1)(f"{text}[MASK] {text}")
    assert found["sequence"].count("york") == 120
    theirs = transformers_pipeline("fill-mask", model=str(folders["bert"]), device=-1, dtype=torch.float32)
    with pytest.raises(RuntimeError, match="size"):
        theirs(f"{text}[MASK] {text}")


@pytest.mark.parametrize(
    ("inputs", "options", "kind", "said"),
    [
        ("no mask", {}, DataError, r"text 0: no mask in 'no mask'; expected \[MASK\]"),
        ("[MASK]", {"targets": []}, ValueError, "targets: an empty list"),
        ("[MASK]", {"targets": ["", " "]}, ValueError, "'', ' ' have no piece"),
        ("[MASK]", {"top_k": 0}, ValueError, "top_k is 0"),
        ("[MASK]", {"tokenizer_kwargs": {"truncation": True}}, TypeError, "nothing is cut"),
        ("[MASK]", {"topk": 2}, TypeError, "the nearest is 'top_k'"),
        (["[MASK]", 7], {}, TypeError, "text 1: expected str, found int"),
        (7, {}, TypeError, "found int"),
    ],
)
def test_what_cannot_be_is_said(
    inputs: Any, options: dict[str, Any], kind: type[Exception], said: str, folders: dict[str, Path]
) -> None:
    pipe = lexel.pipeline("fill-mask", model=folders["bert"], engine="numpy", precision="auto")
    with pytest.raises(kind, match=said):
        pipe(inputs, **options)


def test_a_target_of_several_pieces_is_cut_to_its_first_and_this_is_said(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    pipe = lexel.pipeline("fill-mask", model=folders["bert"], engine="numpy", precision="auto")
    with caplog.at_level(python_logging.WARNING, logger="lexel"):
        (found,) = pipe("go [MASK]", targets=["yorky"])
    assert found["token_str"] == "york"
    assert "'yorky' is not a piece of the vocabulary; its first piece 'york' is taken" in caplog.text
