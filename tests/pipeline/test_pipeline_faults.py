"""Faults of transformers' pipeline that Lexel's mends; each row of docs/compatibility.md has its test here.

What theirs gives is asserted as well, so that a row leaves the page when they mend it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_arrays

import lexel
from lexel import LabelError
from tests.builders import build_rule_tagger, build_tagger, write_json

from .conftest import make_bert, theirs

Make = Callable[..., tuple[Any, Any]]


@pytest.fixture
def both(tmp_path: Path) -> Make:
    """Makes both pipelines on a model that labels each character as a rule says."""

    def make(labels: tuple[str, ...], rule: dict[str, str], *, positions: int = 32, **options: Any) -> tuple[Any, Any]:
        folder = build_rule_tagger(tmp_path / "model", labels, rule, positions=positions)
        return lexel.pipeline("ner", str(folder), threads=1, **options), theirs(folder, **options)

    return make


def found(entities: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(entity["entity_group"], entity["start"], entity["end"]) for entity in entities]


BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")
BIOES_RULE = {"傅": "B-PER", "達": "I-PER", "仁": "E-PER", "他": "S-PER", "今": "O"}


def test_a_span_in_bioes_is_one_entity(both: Make) -> None:
    ours, their = both(BIOES, BIOES_RULE, aggregation_strategy="simple")
    assert found(ours("今傅達仁他今")) == [("PER", 1, 4), ("PER", 4, 5)]
    assert found(their("今傅達仁他今")) == [("PER", 1, 3), ("PER", 3, 4), ("PER", 4, 5)]


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
@pytest.mark.parametrize("last", ["L", "E"])
def test_spans_in_bilou_and_bioes_are_whole_in_every_strategy(strategy: str, last: str, both: Make) -> None:
    single = {"L": "U", "E": "S"}[last]
    labels = ("O", "B-PER", "I-PER", f"{last}-PER", f"{single}-PER")
    rule = dict(zip("今傅達仁他", labels, strict=True))
    ours, _ = both(labels, rule, aggregation_strategy=strategy)
    assert found(ours("傅達仁傅仁今他他")) == [("PER", 0, 3), ("PER", 3, 5), ("PER", 6, 7), ("PER", 7, 8)]


def test_types_after_an_underscore_are_types(both: Make) -> None:
    ours, their = both(("O", "B_PER", "I_PER"), {"傅": "B_PER", "達": "I_PER"}, aggregation_strategy="simple")
    assert found(ours("傅達達")) == [("PER", 0, 3)]
    assert found(their("傅達達")) == [("B_PER", 0, 1), ("I_PER", 1, 3)]


def test_a_plain_label_with_a_dash_keeps_its_name(both: Make) -> None:
    ours, their = both(("NN-PL", "VV"), {"人": "NN-PL", "走": "VV"}, aggregation_strategy="simple")
    assert found(ours("人走")) == [("NN-PL", 0, 1), ("VV", 1, 2)]
    assert found(their("人走"))[0] == ("PL", 0, 1)


def test_untyped_word_boundaries_are_words(both: Make) -> None:
    ours, their = both(("B", "I"), {"今": "B", "天": "I"}, aggregation_strategy="simple")
    assert found(ours("今天天今今天")) == [("B", 0, 3), ("B", 3, 4), ("B", 4, 6)]
    assert found(their("今天天今今天")) == [("B", 0, 1), ("I", 1, 3), ("B", 3, 5), ("I", 5, 6)]


BIO = ("O", "B-PER", "I-PER")
BIO_RULE = {"今": "O", "傅": "B-PER", "達": "I-PER"}


def test_a_long_text_is_read_to_its_end(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")
    text = "今" * 500 + "傅達"
    assert found(ours(text)) == [("PER", 500, 502)]
    assert found(their(text)) == []


def test_pieces_past_the_window_are_given_too(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE)
    text = "今傅" * 100
    assert [entity["index"] for entity in ours(text)] == list(range(2, 202, 2))
    assert len(their(text)) == 15


def test_a_model_that_does_not_say_its_length_reads_long_texts(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, BIO, BIO_RULE)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
    text = "今" * 100 + "傅達"
    assert found(lexel.pipeline("ner", folder, aggregation_strategy="simple")(text)) == [("PER", 100, 102)]
    with pytest.raises(RuntimeError, match="size"):
        theirs(folder)(text)


@pytest.mark.parametrize("stride", [None, 0, 4, 20])
def test_an_entity_across_a_seam_is_whole(stride: int | None, both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")
    text = ("今" * 26 + "傅達達達達達達" + "今" * 3) * 4
    expected = [("PER", 36 * i + 26, 36 * i + 33) for i in range(4)]
    assert found(ours(text, stride=stride)) == expected
    if stride == 0:
        assert found(their(text, stride=0))[:3] == [("PER", 26, 30), ("PER", 30, 33), ("PER", 62, 69)]


def test_an_entity_longer_than_a_window_is_whole(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")
    text = "傅" + "達" * 60
    assert found(ours(text, stride=5)) == [("PER", 0, 61)]
    assert found(their(text, stride=5)) == [("PER", 0, 30), ("PER", 50, 61)]  # pieces 30 to 49 are lost


def test_stride_is_what_neighbouring_windows_share(tmp_path: Path, sentences: list[str]) -> None:
    folder = make_bert(tmp_path, sentences, BIO, max_position_embeddings=32)
    ours = lexel.pipeline("ner", folder, threads=1, ignore_labels=[])
    text = "的一在人是我有他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可里后小"
    parts = [text[i : i + 30] for i in range(0, len(text), 30)]
    alone = [entity["score"] for part in parts for entity in ours(part)]
    assert np.allclose([entity["score"] for entity in ours(text, stride=0)], alone, atol=1e-5)
    assert not np.allclose([entity["score"] for entity in ours(text, stride=15)], alone, atol=1e-2)


def test_stride_goes_with_strategy_none(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE)
    assert len(ours("傅達" * 50, aggregation_strategy="none", stride=5)) == 100
    with pytest.raises(ValueError, match="stride"):
        their("傅達", aggregation_strategy=_none(), stride=5)


def _none() -> Any:
    from transformers.pipelines.token_classification import AggregationStrategy

    return AggregationStrategy.NONE


def test_word_is_the_slice_of_the_source(both: Make) -> None:
    ours, their = both(BIO, {**BIO_RULE, "jean": "B-PER", "-": "I-PER", "##s": "I-PER"}, aggregation_strategy="simple")
    text = "今 Jean-達  達Jeans"
    assert [entity["word"] for entity in ours(text)] == ["Jean-達  達", "Jeans"]
    assert [entity["word"] for entity in their(text)] == ["jean - 達 達", "jeans"]
    assert [entity["word"] for entity in ours(text, word_style="transformers")] == ["jean - 達 達", "jeans"]


def test_an_entity_has_no_white_space_at_its_ends_and_something_between(roberta: Path, sentences: list[str]) -> None:
    some = sentences[-120:]
    ours = lexel.pipeline("ner", roberta, threads=1, aggregation_strategy="simple")(some)
    assert all(entity["word"] == entity["word"].strip() != "" for entities in ours for entity in entities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        their = theirs(roberta, aggregation_strategy="simple")(some)
    slices = [text[e["start"] : e["end"]] for text, entities in zip(some, their, strict=True) for e in entities]
    assert "" in slices
    assert any(part != part.strip() for part in slices)


def test_a_checkpoint_without_the_head_is_refused(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={}, max_length=64)
    with pytest.raises(LabelError, match="no head that labels pieces; it has a bare encoder"):
        lexel.pipeline("ner", folder)
    assert theirs(folder)("in the new york")  # from a head of random numbers


def test_a_lone_surrogate_is_read(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")
    assert found(ours("\ud800傅達\udfff")) == [("PER", 1, 3)]
    with pytest.raises(TypeError):
        their("\ud800傅達\udfff")


def test_a_generator_of_word_lists_is_read(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")

    def texts() -> Iterator[list[str]]:
        yield ["今", "傅達"]
        yield ["傅"]

    result = ours(texts(), is_split_into_words=True)
    assert [found(entities) for entities in result] == [[("PER", 2, 4)], [("PER", 0, 1)]]
    assert list(their(texts(), is_split_into_words=True)) == []


def test_a_tuple_of_texts_is_several_texts(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE, aggregation_strategy="simple")
    assert [found(entities) for entities in ours(("傅", "今傅"))] == [[("PER", 0, 1)], [("PER", 1, 2)]]
    with pytest.raises(ValueError, match="untokenized string"):
        their(("傅", "今傅"))


def test_no_texts_give_no_results(both: Make) -> None:
    ours, their = both(BIO, BIO_RULE)
    assert ours([]) == []
    with pytest.raises(ValueError, match="At least one input"):
        their([])


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, BIO, BIO_RULE)
    path = folder / "model.safetensors"
    save_arrays({name: value.astype(np.float16) for name, value in load_file(path).items()}, path, {"format": "pt"})
    pipe = lexel.pipeline("ner", folder)
    assert "float32" in pipe.description
    from transformers import pipeline

    assert str(pipeline("ner", model=str(folder), device=-1).model.dtype) == "torch.float16"


def test_sub_words_are_guessed_without_a_warning(roberta: Path) -> None:
    assert lexel.pipeline("ner", roberta)("It is here", aggregation_strategy="first") is not None
    with pytest.warns(UserWarning, match="fallback heuristic"):
        theirs(roberta)("It is here", aggregation_strategy="first")
