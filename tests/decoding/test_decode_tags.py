"""Decoding of tags against an oracle that tries every path."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lexel.decoding import tags as tags_module
from lexel.decoding.tags import best_tags, decode_tags, probs_of, softmax
from lexel.errors import CheckpointError, LabelError
from lexel.labels import LabelSet, detect

LABEL_SETS = {
    "BI": detect(("B", "I")),
    "BMES": detect(("B", "M", "E", "S")),
    "BIO": detect(("O", "B-X", "I-X", "B-Y", "I-Y")),
    "IOB1": detect(("O", "B-X", "I-X", "B-Y", "I-Y"), scheme="IOB1"),
    "IOE1": detect(("O", "I-X", "E-X", "I-Y", "E-Y"), scheme="IOE1"),
    "IOE2": detect(("O", "I-X", "E-X", "I-Y", "E-Y")),
    "BIOES": detect(("O", "B-X", "I-X", "E-X", "S-X")),
    "BILOU": detect(("L-X", "B-X", "I-X", "O", "U-X")),
    "words+pos": detect(("B-N", "I-N", "B-V", "I-V")),
    "bare": detect(("X", "Y", "Z")),
}


def worths(scores, label_set, biases=None, cuts=None):
    """The worth of every path through one text, ``{path: worth}``; minus infinity if not allowed."""
    n_pieces, outside = len(scores), len(label_set)
    biases = np.zeros(label_set.allowed.shape) if biases is None else biases
    parted = label_set.unit_edges
    found = {}
    for path in itertools.product(range(outside), repeat=n_pieces):
        steps = list(zip((outside, *path), (*path, outside), strict=True))
        valid = all(label_set.allowed[step] for step in steps)
        worth = sum(float(scores[i, tag]) for i, tag in enumerate(path)) + sum(biases[step] for step in steps)
        if cuts is not None:
            for i in range(1, n_pieces):
                cut = parted[path[i - 1], path[i]]
                valid &= not (cuts[i] == np.inf and not cut) and not (cuts[i] == -np.inf and cut)
                if np.isfinite(cuts[i]):
                    worth += max(cuts[i], 0) if cut else max(-cuts[i], 0)
        found[path] = worth if valid else -np.inf
    return found


def assert_best(found, path):
    assert found[tuple(path)] == pytest.approx(max(found.values()), abs=1e-4)


def random_scores(label_set, *, n_pieces, seed=0, spread=3.0):
    return (np.random.default_rng(seed).normal(size=(n_pieces, len(label_set))) * spread).astype(np.float32)


def worth_of(path, scores, label_set):
    steps = np.append(len(label_set), path), np.append(path, len(label_set))
    assert label_set.allowed[steps].all()
    return scores[np.arange(len(path)), path].astype(np.float64).sum()


any_scheme = pytest.mark.parametrize("name", LABEL_SETS)
coarse = st.sampled_from([-4.0, -1.0, 0.0, 1.0, 2.0])
fine = st.floats(-20, 20, width=32)


@any_scheme
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_viterbi_finds_a_path_worth_as_much_as_the_best_of_all(name, data):
    label_set = LABEL_SETS[name]
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    bounds = np.append(0, np.cumsum(lengths))
    elements = data.draw(st.sampled_from([coarse, fine]))
    scores = data.draw(arrays.arrays(np.float32, (int(bounds[-1]), len(label_set)), elements=elements))
    tags = decode_tags(scores, bounds, label_set)
    for start, end in itertools.pairwise(bounds):
        assert_best(worths(scores[start:end], label_set), tags[start:end].tolist())


@any_scheme
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_biases_count_at_every_transition_and_at_both_ends(name, data):
    label_set = LABEL_SETS[name]
    n_labels = len(label_set)
    scores = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(1, 4)), n_labels), elements=fine))
    biases = data.draw(arrays.arrays(np.float32, (n_labels + 1, n_labels + 1), elements=coarse))
    tags = decode_tags(scores, np.array([0, len(scores)]), label_set, biases=biases)
    assert_best(worths(scores, label_set, biases=biases), tags.tolist())


@pytest.mark.parametrize("name", ["BI", "BMES", "words+pos"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_cuts_are_bonuses_and_constraints_of_the_same_search(name, data):
    label_set = LABEL_SETS[name]
    n_pieces = data.draw(st.integers(1, 5))
    scores = data.draw(arrays.arrays(np.float32, (n_pieces, len(label_set)), elements=coarse))
    cut = st.sampled_from([0.0, 0.0, 2.5, -2.5, np.inf, -np.inf])
    cuts = np.array(data.draw(st.lists(cut, min_size=n_pieces, max_size=n_pieces)))
    tags = decode_tags(scores, np.array([0, n_pieces]), label_set, cuts=cuts)
    assert_best(worths(scores, label_set, cuts=cuts), tags.tolist())


@any_scheme
@pytest.mark.parametrize("elements", ["fine", "coarse", "equal"])
def test_chunks_of_a_long_text_give_what_one_row_gives(name, elements, monkeypatch):
    label_set = LABEL_SETS[name]
    scores = random_scores(label_set, n_pieces=333)
    if elements != "fine":
        scores = np.round(scores) if elements == "coarse" else np.zeros_like(scores)
    scores[:5] = random_scores(label_set, n_pieces=5, seed=1)
    bounds = np.array([0, 3, 3, 200, 333])
    monkeypatch.setattr(tags_module, "REACHES", ())
    monkeypatch.setattr(tags_module, "CHUNK", 1000)
    plain = decode_tags(scores, bounds, label_set)
    monkeypatch.setattr(tags_module, "CHUNK", 8)
    monkeypatch.setattr(tags_module, "WARM_UP", 2)
    chunked = decode_tags(scores, bounds, label_set)
    for start, end in itertools.pairwise(bounds):
        worth = [worth_of(tags[start:end], scores[start:end], label_set) for tags in (plain, chunked)]
        assert worth[0] == pytest.approx(worth[1], abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_text_that_remembers_its_beginning_is_decoded_right_in_chunks(seed, monkeypatch):
    label_set = LABEL_SETS["BIO"]
    scores = np.zeros((200, 5), np.float32)
    scores[:, [2, 4]] = 5  # I-X and I-Y are as good, so the first piece decides for all
    scores[0, [1, 3]] = np.random.default_rng(seed).permutation([20, 21])
    monkeypatch.setattr(tags_module, "CHUNK", 8)
    monkeypatch.setattr(tags_module, "WARM_UP", 4)
    tags = decode_tags(scores, np.array([0, 200]), label_set)
    first = int(scores[0].argmax())
    assert tags.tolist() == [first, *[first + 1] * 199]


def test_cuts_hold_across_chunks(monkeypatch):
    label_set = LABEL_SETS["BMES"]
    scores = random_scores(label_set, n_pieces=100)
    cuts = np.zeros(100)
    cuts[[8, 16, 33]] = np.inf
    cuts[[24, 25, 32]] = -np.inf
    monkeypatch.setattr(tags_module, "REACHES", ())
    monkeypatch.setattr(tags_module, "CHUNK", 100)
    plain = decode_tags(scores, np.array([0, 100]), label_set, cuts=cuts)
    monkeypatch.setattr(tags_module, "CHUNK", 8)
    monkeypatch.setattr(tags_module, "WARM_UP", 3)
    assert decode_tags(scores, np.array([0, 100]), label_set, cuts=cuts).tolist() == plain.tolist()


@any_scheme
@pytest.mark.parametrize("reaches", [(1,), (3, 12)])
@pytest.mark.parametrize("with_cuts", [False, True])
def test_surroundings_of_faults_give_what_whole_texts_give(name, reaches, with_cuts, monkeypatch):
    label_set, random = LABEL_SETS[name], np.random.default_rng(1)
    scores = random_scores(label_set, n_pieces=2000)
    scores[random.random(2000) < 0.7] *= 0.01  # stretches where little is decided, so that mending one reaches far
    bounds = np.append(0, np.sort(random.integers(0, 2000, 60)))
    bounds[-1] = 2000
    likely = [2.0, -2.0] if label_set.scheme in ("bare", "IOE1", "IOE2") else [2.0, -2.0, np.inf]
    cuts = np.where(random.random(2000) < 0.1, random.choice(likely, 2000), 0.0) if with_cuts else None
    monkeypatch.setattr(tags_module, "REACHES", reaches)
    mended = decode_tags(scores, bounds, label_set, cuts=cuts)
    monkeypatch.setattr(tags_module, "REACHES", ())
    assert mended.tolist() == decode_tags(scores, bounds, label_set, cuts=cuts).tolist()


@pytest.mark.parametrize("n_pieces", [2, 5, 20, 80])
def test_a_fault_is_mended_as_far_away_as_the_best_path_differs(n_pieces):
    label_set = LABEL_SETS["BIO"]
    scores = np.full((n_pieces, 5), -100, np.float32)
    scores[0, [1, 3]] = 10, 0  # B-X, or B-Y for 10 less
    scores[1:, [4, 2]] = 0.25, 0  # I-Y, or I-X for a quarter less each
    decided = [1, *[2] * (n_pieces - 1)] if (n_pieces - 1) / 4 < 10 else [3, *[4] * (n_pieces - 1)]
    assert decode_tags(scores, np.array([0, n_pieces]), label_set).tolist() == decided


@pytest.mark.parametrize("n_labels", [1, 2, 15, 255, 256, 300])
@pytest.mark.parametrize("cached", [1, 1000, 1 << 18])
def test_the_best_tags_are_those_of_argmax(n_labels, cached, monkeypatch):
    monkeypatch.setattr(tags_module, "_CACHED", cached)
    random = np.random.default_rng(0)
    scores = random.integers(-3, 4, (97, n_labels)).astype(np.float32)  # of equal ones the first
    scores[random.random(scores.shape) < 0.3] = -np.inf
    scores[3] = -np.inf
    tags, peaks = best_tags(scores)
    assert tags.tolist() == scores.argmax(axis=1).tolist()
    assert peaks.tolist() == scores.max(axis=1).tolist()


@any_scheme
def test_a_text_is_decoded_alike_alone_and_in_a_batch(name):
    label_set = LABEL_SETS[name]
    scores = random_scores(label_set, n_pieces=60)
    bounds = np.array([0, 0, 7, 8, 30, 60, 60])
    together = decode_tags(scores, bounds, label_set)
    alone = [
        decode_tags(scores[start:end], np.array([0, end - start]), label_set)
        for start, end in itertools.pairwise(bounds)
    ]
    assert together.tolist() == np.concatenate(alone).tolist()


def test_argmax_takes_each_piece_by_itself_and_of_equal_labels_the_first():
    scores = np.array([[0, 0], [0, 1], [1, 0]], np.float32)
    assert decode_tags(scores, np.array([0, 3]), detect(("I", "B")), method="argmax").tolist() == [0, 1, 0]


def test_argmax_counts_a_lexicons_bonus_on_tags_that_begin():
    scores = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    cuts = np.array([0, 2.0, np.inf])
    assert decode_tags(scores, np.array([0, 3]), LABEL_SETS["BI"], method="argmax", cuts=cuts).tolist() == [0, 0, 0]


def test_a_cut_that_the_scheme_cannot_say_is_left_to_the_model():
    label_set = detect(("B", "E", "S"))  # no word of three
    tags = decode_tags(np.zeros((3, 3), np.float32), np.array([0, 3]), label_set, cuts=np.array([0, -np.inf, -np.inf]))
    assert worth_of(tags, np.zeros((3, 3)), label_set) == 0


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_scores_are_certainties(infinite):
    scores = np.zeros((3, 2), np.float32)
    scores[1, 0] = infinite
    tags = decode_tags(scores, np.array([0, 3]), detect(("I", "B")))
    assert tags[1] == (0 if infinite > 0 else 1)


def test_a_piece_that_excludes_every_label_does_not_stop_the_search():
    scores = np.full((2, 2), -np.inf, np.float32)
    assert decode_tags(scores, np.array([0, 2]), LABEL_SETS["BI"]).tolist()[0] == 0


def test_nan_is_an_error_that_names_the_text():
    scores = np.zeros((5, 2), np.float32)
    scores[4, 1] = np.nan
    with pytest.raises(CheckpointError, match="text 2: piece 1 has NaN"):
        decode_tags(scores, np.array([0, 3, 3, 5]), LABEL_SETS["BI"])


def test_scores_of_another_head_are_refused():
    with pytest.raises(LabelError, match=r"shape \(3, 5\), expected a column for each of 2 labels"):
        decode_tags(np.zeros((3, 5), np.float32), np.array([0, 3]), LABEL_SETS["BI"])


def test_biases_of_another_shape_are_refused():
    with pytest.raises(LabelError, match=r"shape \(2, 2\); expected finite numbers of shape \(3, 3\)"):
        decode_tags(np.zeros((3, 2), np.float32), np.array([0, 3]), LABEL_SETS["BI"], biases=np.zeros((2, 2)))


def test_no_pieces_have_no_tags():
    assert decode_tags(np.zeros((0, 2), np.float32), np.array([0, 0, 0]), LABEL_SETS["BI"]).tolist() == []


def test_a_set_of_more_labels_than_a_byte_counts_is_decoded():
    names = ["O", *(f"{prefix}-{i}" for i in range(200) for prefix in "BI")]
    label_set: LabelSet = detect(names)
    scores = np.zeros((3, len(names)), np.float32)
    scores[:, [len(names) - 1]] = 3
    assert decode_tags(scores, np.array([0, 3]), label_set).tolist() == [399, 400, 400]


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32)))
def test_probabilities_are_stable_and_sum_to_one(scores):
    probs = softmax(scores)
    assert np.allclose(probs.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(probs_of(scores, np.array([0, 1, 3])), probs[[0, 1, 2], [0, 1, 3]], atol=1e-6)


def test_probabilities_of_infinite_scores_are_none_or_all():
    scores = np.array([[np.inf, 0], [-np.inf, 0], [-1e38, 1e38]], np.float32)
    assert softmax(scores).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert probs_of(scores, np.array([0, 0, 1])).tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", LABEL_SETS)
@pytest.mark.parametrize("has_biases", [False, True])
@pytest.mark.parametrize("has_cuts", [False, True])
def test_short_texts_are_searched_number_by_number_with_the_same_result(
    name: str, has_biases: bool, has_cuts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_set, random = LABEL_SETS[name], np.random.default_rng(5)
    lengths = random.integers(0, 9, size=200)
    bounds = np.append(0, np.cumsum(lengths))
    scores = random_scores(label_set, n_pieces=int(bounds[-1]), seed=6)
    biases = random.normal(size=label_set.allowed.shape) if has_biases else None
    cuts = random.choice([0.0, -np.inf, np.inf, 2.0, -3.0], size=len(scores)) if has_cuts else None
    found = {}
    for few in (0, 1 << 60):
        monkeypatch.setattr(tags_module, "_FEW_OFFERS", few)
        found[few] = decode_tags(scores, bounds, label_set, biases=biases, cuts=cuts)
    np.testing.assert_array_equal(found[0], found[1 << 60])
