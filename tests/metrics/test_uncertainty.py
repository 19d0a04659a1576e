"""Bootstrap, McNemar's test and calibration."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from lexel.metrics.calibration import best_threshold, bin_scores, calibrated, fit_platt, reliability_of
from lexel.metrics.resampling import FloatArray, holm, interval, mcnemar, paired_bootstrap, resample


def _counts(n: int = 200, *, rate: float = 0.8, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    gold = random.integers(1, 30, n)
    return np.stack((gold, random.binomial(gold, rate)), axis=1)


def _recall(sums: FloatArray) -> FloatArray:
    return sums[:, 1] / sums[:, 0]


def test_a_sample_is_a_sum_over_documents_drawn_with_replacement() -> None:
    counts = _counts(50)
    drawn = np.random.default_rng(7).integers(50, size=(20, 50))
    assert resample(counts, n_samples=20, seed=7).tolist() == counts[drawn].sum(axis=1).tolist()


def test_the_same_seed_draws_the_same_documents() -> None:
    one, same, other = (resample(_counts(), n_samples=50, seed=seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_drawing_in_chunks_gives_as_many_samples_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.metrics.resampling._CHUNK_DRAWS", 450)
    assert resample(_counts(), n_samples=7, seed=0).shape == (7, 2)


def test_the_interval_holds_the_true_rate_about_95_times_of_100() -> None:
    inside = 0
    for seed in range(200):
        low, high = interval(_recall(resample(_counts(100, seed=seed), n_samples=200, seed=seed)))
        inside += bool(low <= 0.8 <= high)
    assert 178 <= inside <= 198


def test_no_documents_give_zero_sums() -> None:
    assert resample(np.zeros((0, 3)), n_samples=4, seed=0).tolist() == [[0.0] * 3] * 4


def test_a_clearly_better_system_is_significantly_better() -> None:
    result = paired_bootstrap(_counts(rate=0.9), _counts(rate=0.7), score=_recall, n_samples=500, seed=3)
    assert result.value == pytest.approx(0.2, abs=0.02)
    assert 0 < result.low < result.value < result.high
    assert result.p_value == pytest.approx(2 / 501)


def test_a_system_is_not_better_than_itself() -> None:
    result = paired_bootstrap(_counts(), _counts(), score=_recall, n_samples=100, seed=3)
    assert (result.value, result.low, result.high, result.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_two_systems_are_compared_on_the_same_documents_only() -> None:
    with pytest.raises(ValueError, match=r"\(200, 2\) and \(100, 2\)"):
        paired_bootstrap(_counts(), _counts(100), score=_recall, n_samples=10, seed=0)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (3, 9), (9, 3), (40, 70), (5, 5)])
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, False])
    n, k = only_first + only_second, min(only_first, only_second)
    expected = min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert mcnemar(first, second) == pytest.approx(expected)


def test_mcnemar_of_many_items_does_not_overflow() -> None:
    first = np.arange(200_000) % 2 == 0
    assert mcnemar(first, ~first) == pytest.approx(1.0)


def test_scores_that_are_right_as_often_as_they_say_have_no_calibration_error() -> None:
    reliability = reliability_of(
        bin_scores(np.array([0.75] * 4 + [0.25] * 4), np.array([1, 1, 1, 0, 1, 0, 0, 0], bool))
    )
    assert reliability.expected_error == pytest.approx(0.0)
    assert sum(reliability.counts) == 8


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    scores, correct = np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, False, False, False])
    # three at 0.9 of which a third is right, one at 0.1 that is not
    assert reliability_of(bin_scores(scores, correct)).expected_error == pytest.approx((3 * (0.9 - 1 / 3) + 0.1) / 4)


def test_bins_of_parts_add_up_to_the_bins_of_all() -> None:
    random = np.random.default_rng(0)
    scores, correct = random.random(1000), random.random(1000) < 0.5
    parts = bin_scores(scores[:300], correct[:300]) + bin_scores(scores[300:], correct[300:])
    np.testing.assert_allclose(parts, bin_scores(scores, correct))


@pytest.mark.parametrize(("score", "at"), [(0.0, 0), (1.0, 9), (0.1, 0), (0.1001, 1)])
def test_a_score_on_an_edge_belongs_to_the_bin_below(score: float, at: int) -> None:
    assert int(bin_scores(np.array([score]), np.array([True]), n_bins=10)[:, 0].argmax()) == at


def test_no_scores_have_no_error() -> None:
    assert reliability_of(bin_scores(np.array([]), np.array([], bool))).expected_error == 0.0


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.6, 0.4], [0.8, 0.8]),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_several_p_values_are_raised_by_holm_s_rule(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


def _overconfident(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose true log-odds are half as far from 0, and 1 lower."""
    random = np.random.default_rng(5)
    odds = random.normal(1, 3, n)
    return 1 / (1 + np.exp(-odds)), random.random(n) < 1 / (1 + np.exp(-(0.5 * odds - 1)))


def test_platts_numbers_are_found_again() -> None:
    assert fit_platt(*_overconfident()) == pytest.approx((0.5, -1.0), abs=0.06)


def test_calibrated_scores_have_a_small_error() -> None:
    scores, correct = _overconfident()
    scale, shift = fit_platt(scores, correct)
    found = calibrated(scores.astype(np.float32), scale=scale, shift=shift)
    before, after = (reliability_of(bin_scores(some, correct)).expected_error for some in (scores, found))
    assert before > 0.15
    assert after < 0.02


def test_calibration_keeps_the_order_of_scores_even_if_low_ones_are_right() -> None:
    scores = np.linspace(0, 1, 200).astype(np.float32)
    scale, shift = fit_platt(scores, scores < 0.5)
    found = calibrated(scores, scale=scale, shift=shift)
    assert scale > 0
    assert (np.diff(found) >= 0).all()
    assert np.isfinite(found).all()


def test_scale_1_and_shift_0_leave_scores_alone() -> None:
    scores = np.array([0.0, 0.3, 1.0], np.float32)
    assert calibrated(scores, scale=1.0, shift=0.0) is scores


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_gives_a_better_f1(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = np.round(random.random(30), 1)
    correct = random.random(30) < scores
    n_gold = int(correct.sum()) + 5

    def f1(least: float) -> float:
        kept = scores >= least
        return 2 * (correct & kept).sum() / (kept.sum() + n_gold)

    found = best_threshold(scores, correct, n_gold=n_gold)
    assert f1(found) == pytest.approx(max(f1(least) for least in [*scores, 0.0]))


def test_all_predictions_are_kept_where_that_is_best() -> None:
    assert best_threshold(np.array([0.2, 0.9]), np.array([True, True]), n_gold=2) == 0.0
