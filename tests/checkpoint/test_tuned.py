"""What development data chose for a head, as lexel.json keeps it."""

import numpy as np
import pytest

from lexel.checkpoint.tuned import Tuned, read_tuned
from lexel.errors import CheckpointError


def test_a_head_without_the_key_has_the_scores_of_the_model():
    scores = np.array([0.0, 0.3, 1.0], np.float32)
    assert read_tuned(None, "x").calibrated(scores) is scores


def test_calibrated_scores_are_platts():
    found = Tuned(scale=0.5, shift=-1.0).calibrated(np.array([0.5, 0.9], np.float32))
    assert found == pytest.approx(1 / (1 + np.exp([1.0, 1.0 - 0.5 * np.log(9)])))


def test_calibration_keeps_the_order_of_scores():
    scores = np.sort(np.random.default_rng(0).random(200)).astype(np.float32)
    assert (np.diff(Tuned(scale=0.3, shift=2.0).calibrated(scores)) >= 0).all()


def test_scores_of_0_and_1_stay_probabilities():
    found = Tuned(scale=3.0).calibrated(np.array([0.0, 1.0], np.float32))
    assert np.isfinite(found).all()
    assert found[0] < 1e-9 < found[1] <= 1


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
