"""Every task streams alike: results while the source waits, and one result lost for one bad input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

import numpy as np
import pytest

from lexel.checkpoint import open_checkpoint
from lexel.document import Document, Words
from lexel.errors import LexelError
from lexel.tasks.answer import Answerer
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.fill import Filler
from lexel.tasks.tag import Tagger
from lexel.tasks.zero_shot import ZeroShotClassifier
from tests.answer.models import build_reference
from tests.builders import ENTITIES, POS, WORDS, build_sentence_model, build_tagger
from tests.classify.conftest import NLI, build_classifier
from tests.fill.conftest import build_masked

LONG = "the new york " * 40
"""More than a model of 64 positions reads together: as a partner it leaves no room for another text."""


class Case(NamedTuple):
    """A task.

    Attributes:
        stream: Its stream.
        call: The same for one input.
        good: Inputs that it reads.
        bad: Inputs that it refuses, each with a part of its message.
    """

    stream: Callable[..., Iterator[Any]]
    call: Callable[[Any], Any]
    good: list[Any]
    bad: list[tuple[Any, str]]


def document(text: str) -> Document:
    return Document(text, Words.of(text, [(0, 3)]))


def cases(folder: Path) -> dict[str, Case]:
    tagger = Tagger.load(
        build_tagger(folder / "tag", heads={"words": WORDS, "pos": POS, "entities": ENTITIES}),
        threads=1, precision="float32", max_chars=30,
    )  # fmt: skip
    filler = Filler.load(build_masked(folder / "fill", "bert"), threads=1, precision="float32", max_chars=30)
    embedder = Embedder.load(build_sentence_model(folder / "embed"), threads=1, precision="float32", max_chars=30)
    (folder / "classify").mkdir()
    (folder / "nli").mkdir()
    (folder / "answer").mkdir()
    classifier = Classifier.load(build_classifier(folder / "classify"), threads=1, precision="float32", max_chars=2000)
    zero_shot = ZeroShotClassifier.load(
        build_classifier(folder / "nli", NLI), labels=["new", "york", LONG[:3]], threads=1, precision="float32",
        max_chars=30,
    )  # fmt: skip
    answerer = Answerer.load(
        build_reference(folder / "answer", "bert").folder, threads=1, precision="float32", max_chars=2000
    )
    texts = ["the new york", "天下的人", "in to the live ing"]
    not_text = [(None, "expected str, found NoneType"), (7, "expected str, found int")]
    too_long = ("a " * 20, "40 characters; expected at most 30")
    documents = list(map(document, texts))
    return {
        "tag": Case(tagger.stream, tagger, texts, [too_long, *not_text]),
        "tag words": Case(
            tagger.stream_words,
            tagger.tag_words,
            [["天下", "的"], ["new", "york"]],
            [(["a " * 20], "40 characters"), ("天下", "found a str"), (["a", 3], "word 1: expected str, found int")],
        ),
        "tag documents": Case(
            tagger.stream_documents,
            lambda one: next(tagger.stream_documents([one])),
            documents,
            [(document("a " * 20), "40 characters"), ("text", "expected Document, found str")],
        ),
        "tag the words of documents": Case(
            lambda given, **options: tagger.stream_documents(given, given_words=True, **options),
            lambda one: next(tagger.stream_documents([one], given_words=True)),
            documents,
            [(Document("a text"), "has no words")],
        ),
        "fill": Case(
            filler.stream,
            filler,
            ["the [MASK] york", "[MASK] 下 [MASK:1-2]", ""],
            [("no mask", "no mask in 'no mask'"), ("[MASK:9-2]", "expected lengths from 1"), *not_text],
        ),
        "perplexity": Case(filler.stream_perplexities, filler.perplexity, texts, [too_long, *not_text]),
        "embed": Case(embedder.stream, embedder, texts, [too_long, *not_text]),
        "embed words": Case(
            lambda given, **options: embedder.stream_parts(given, part="word", **options),
            embedder.words,
            documents,
            [(Document("a text"), "has no words"), (3, "expected Document, found int")],
        ),
        "classify": Case(
            classifier.stream,
            classifier,
            [*texts, ("the new", "york"), ("天下", "in to the live ing"), "a"],
            [("a " * 1001, "2002 characters"), ((LONG, LONG), "Shorten it"), (("a", 2), "a tuple of two")],
        ),
        "classify without training": Case(
            zero_shot.stream, zero_shot, texts, [too_long, (("a", "b"), "found a pair"), *not_text]
        ),
        "answer": Case(
            answerer.stream,
            lambda pair: answerer(*pair),
            [("the new", LONG), ("天下", "天下的人")],
            [(("", "天下"), "is blank"), ((LONG, LONG), "Shorten it"), (("a", 3), "found int"), ("ab", "found 'ab'")],
        ),
    }


NAMES = (
    "tag", "tag words", "tag documents", "tag the words of documents", "fill", "perplexity", "embed", "embed words",
    "classify", "classify without training", "answer",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    made = cases(tmp_path_factory.mktemp("models"))
    assert tuple(made) == NAMES
    return made


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, made: dict[str, Case]) -> Case:
    return made[request.param]


def assert_same(found: Any, expected: Any) -> None:
    """The same result, but for the last bits of the vectors that NumPy multiplies."""
    if isinstance(expected, np.ndarray):
        assert np.allclose(found, expected, atol=1e-6)
    elif isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif hasattr(expected, "log_probs"):
        assert np.allclose(found.log_probs, expected.log_probs, atol=1e-6)
    else:
        assert found == expected


def between(good: list[Any], bad: list[tuple[Any, str]]) -> Iterator[tuple[Any, str | None]]:
    """Each bad input with the good ones around it, and its message."""
    for wrong, message in bad:
        yield from ((one, None) for one in good)
        yield wrong, message
    yield from ((one, None) for one in good)


@pytest.mark.parametrize("live", [True, False])
def test_a_bad_input_costs_one_result(case: Case, live: bool) -> None:
    given = list(between(case.good, case.bad))
    found = list(case.stream([one for one, _ in given], on_error="yield", live=live))
    assert len(found) == len(given)
    for result, (one, message) in zip(found, given, strict=True):
        if message is None:
            assert_same(result, case.call(one))
        else:
            assert isinstance(result, LexelError | TypeError)
            assert message in str(result)


def test_by_default_it_is_raised_behind_the_results_before_it(case: Case) -> None:
    for wrong, message in case.bad:
        results = case.stream([*case.good, wrong, *case.good])
        for one in case.good:
            assert_same(next(results), case.call(one))
        with pytest.raises((LexelError, TypeError)) as raised:
            next(results)
        assert message in str(raised.value)


def test_results_come_out_while_a_live_source_waits(case: Case) -> None:
    fed: Queue[Any] = Queue()
    end = object()

    def live() -> Iterable[Any]:
        while (one := fed.get()) is not end:
            yield one

    results = case.stream(live())
    for some in (case.good[:1], case.good, case.good[-1:]):
        for one in some:
            fed.put(one)
        for one in some:
            assert_same(next(results), case.call(one))
    fed.put(end)
    assert list(results) == []


def test_a_stream_of_nothing_gives_nothing(case: Case) -> None:
    assert list(case.stream([])) == []
    assert list(case.stream(iter([]))) == []


def test_several_checkpoints_acting_as_one_let_results_go_too(tmp_path: Path) -> None:
    parts = {
        layer: open_checkpoint(build_tagger(tmp_path / layer, heads={head: labels}))
        for layer, head, labels in (("words", "words", WORDS), ("pos", "pos", POS), ("entities", "entities", ENTITIES))
    }
    tagger = Tagger.load(threads=1, precision="float32", **parts)
    fed: Queue[str | None] = Queue()
    results = tagger.stream(iter(fed.get, None))
    for text in ("天下", "the new york"):
        fed.put(text)
        assert next(results) == tagger(text)
    fed.put(None)
    assert list(results) == []
