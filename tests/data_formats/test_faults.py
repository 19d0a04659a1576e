"""Bad records: the first is an error, or they are skipped and counted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lexel.data import Faults, read_conll, read_conllu, read_jsonl
from lexel.data.classified import read_classified
from lexel.errors import DataError, OptionError

CONLLU = "1\t我\t_\t_\t_\t_\t_\t_\t_\t_\n"
SAMPLES: dict[str, tuple[Callable[..., Iterator[Any]], str]] = {
    "jsonl": (read_jsonl, '{"text": "我"}\n{"text": 1}\n{"text":\n{"text": "他"}\n'),
    "conll, a row": (read_conll, "我 O\n\n在 O O O\n家 O\n\n在 I-LOC\n\n他 O\n"),
    "conllu": (read_conllu, f"{CONLLU}\n{CONLLU}3\t在\n\n# text = 他在\n{CONLLU}\n{CONLLU.replace('我', '他')}"),
    "classes": (
        lambda source, **options: read_classified(source, format="jsonl", **options),
        '{"text": "我", "label": "a"}\n{"text": "b"}\n[]\n{"text": "他", "label": "a"}\n',
    ),
    "a table": (
        lambda source, **options: read_classified(source, format="tsv", **options),
        "text\tlabel\n我\ta\n在\t\t\n家\n他\ta\n",
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_bad_records_are_skipped_and_counted_and_the_others_read(name: str) -> None:
    read, text = SAMPLES[name]
    faults = Faults("skip")
    assert [record.text for record in read(io.StringIO(text), faults=faults)] == ["我", "他"]
    assert faults.count == 2
    (said,) = faults.lines()
    assert said.startswith("2 records skipped (--on-error skip); the first: <stream>:")


@pytest.mark.parametrize("name", SAMPLES)
def test_by_default_the_first_bad_record_is_an_error(name: str) -> None:
    read, text = SAMPLES[name]
    with pytest.raises(DataError, match="<stream>:"):
        list(read(io.StringIO(text)))


def test_ill_formed_tags_are_repaired() -> None:
    (document,) = read_conll(io.StringIO("在 I-LOC\n"), faults=Faults("repair"))
    assert [(span.text, span.label) for span in document.entities] == [("在", "LOC")]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(OptionError, match="on_error is 'ignore'; expected one of stop, skip, repair"):
        Faults("ignore")  # type: ignore[arg-type]
