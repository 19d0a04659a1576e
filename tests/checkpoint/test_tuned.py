"""What development data chose for a head, as lexel.json keeps it."""

import pytest

from lexel.checkpoint.tuned import Tuned, read_tuned
from lexel.errors import CheckpointError


def test_a_head_without_the_key_has_the_scores_of_the_model():
    assert read_tuned(None, "x") == Tuned()


def test_numbers_that_are_not_there_have_their_defaults():
    assert read_tuned({"scale": 2, "record": {"predictions": 3}}, "x") == Tuned(scale=2.0, record={"predictions": 3})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "expected an object of"),
        ({"scal": 1}, "expected an object of"),
        ({"scale": 0}, "scale is 0; expected a number above 0"),
        ({"shift": True}, "shift is True; expected a number"),
        ({"min_score": float("nan")}, "min_score is nan; expected a number"),
        ({"record": 3}, "record is a int; expected an object"),
    ],
)
def test_an_entry_that_is_no_tuning_is_refused(entry, message):
    with pytest.raises(CheckpointError, match=message):
        read_tuned(entry, "lexel.json: head 'entities': tuned")
