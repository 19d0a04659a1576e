"""Readers in other processes: forked children, spawned ones, pickles and copies."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexel.ckip import CkipWordSegmenter
from lexel.errors import EngineError
from lexel.pipelines.pipeline import pipeline
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, POS, WORDS, build_tagger
from tests.flow.test_options import READERS, folders, load, read

__all__ = ["folders"]

TEXT = "天下的人"


def in_child(task: Callable[[], str], *, limit_s: int = 60) -> str:
    """What a task gives in a forked child; one that hangs is killed and gives nothing."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        pid = os.fork()
    if pid == 0:
        signal.alarm(limit_s)
        try:
            said = task()
        except EngineError as error:
            said = f"EngineError: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as output:
        said = output.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return said


@pytest.fixture(scope="module")
def tagging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    return build_tagger(tmp_path_factory.mktemp("tag"), heads=heads, pieces="chars")


@pytest.mark.parametrize("engine", ["openvino", "numpy"])
def test_a_forked_child_reads_with_its_parents_tagger(tagging: Path, engine: str) -> None:
    precision = "float32" if engine == "openvino" else "auto"
    tagger = Tagger.load(tagging, engine=engine, precision=precision, threads=2)
    expected = str(list(tagger(TEXT).words))

    def twice() -> str:
        first, second = (str(list(tagger(TEXT).words)) for _ in range(2))
        return first if first == second else "differs"

    assert in_child(twice) == expected
    assert in_child(lambda: in_child(twice)) == expected  # a child's child
    assert str(list(tagger(TEXT).words)) == expected


def test_a_forked_child_is_told_that_torch_does_not_survive(tagging: Path) -> None:
    tagger = Tagger.load(tagging, engine="torch", precision="float32", threads=1, device="cpu")
    said = in_child(lambda: str(tagger(TEXT)))
    assert "is a fork of process" in said
    assert "Load the model in the child" in said


@pytest.mark.parametrize("name", READERS)
def test_readers_pickle_and_copy(folders: dict[str, Path], name: str) -> None:
    reader = load(folders, name, max_chars=1000)
    expected = read(reader)
    for other in (pickle.loads(pickle.dumps(reader)), copy.deepcopy(reader), copy.copy(reader)):
        assert other is not reader
        assert read(other) == expected
        assert other.options == reader.options


def test_a_copy_shares_the_engine_and_a_pickle_is_small(tagging: Path) -> None:
    tagger = Tagger.load(tagging, engine="numpy")
    assert copy.deepcopy(tagger).flows[0] is tagger.flows[0]
    assert len(pickle.dumps(tagger)) < 20_000


def test_drop_ins_pickle(tagging: Path) -> None:
    for reader, texts in ((pipeline("ner", tagging), TEXT), (CkipWordSegmenter(model_name=tagging), [TEXT])):
        assert pickle.loads(pickle.dumps(reader))(texts) == reader(texts)  # type: ignore[operator]


def words_of(tagger: Tagger) -> str:
    return str(list(tagger(TEXT).words))


def test_a_spawned_process_takes_a_tagger(tagging: Path) -> None:
    tagger = Tagger.load(tagging, precision="float32", threads=1, ignore=["PER"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(words_of, (tagger,)).get(timeout=120) == words_of(tagger)


def test_a_pickled_lexicon_and_options_come_along(tagging: Path) -> None:
    tagger: Any = pickle.loads(pickle.dumps(Tagger.load(tagging, engine="numpy", lexicon=["天下的"])))
    assert "天下的" in tagger(TEXT).words.texts
