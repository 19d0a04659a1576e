"""What is detected in the labels of checkpoints as they are in the wild, and what is refused."""

import numpy as np
import pytest

from lexel.errors import LabelError
from lexel.labels import SCHEMES, detect

CKIP_NER = ("O", *(f"{prefix}-{name}" for name in ("CARDINAL", "DATE", "GPE", "PERSON") for prefix in "BIES"))


@pytest.mark.parametrize(
    ("labels", "scheme", "task"),
    [
        ("B I", "BI", "words"),
        ("I B", "BI", "words"),
        ("b i", "BI", "words"),
        ("B M E S", "BMES", "words"),
        ("S E I B", "BMES", "words"),
        ("[PAD] B I E S", "BMES", "words"),
        ("B I O", "BIO", "entities"),
        ("O B-PER I-PER B-MISC I-MISC", "BIO", "entities"),
        ("I-ORG B-ORG O", "BIO", "entities"),
        ("o b-per i-per", "BIO", "entities"),
        ("O B_PER I_PER", "BIO", "entities"),
        ("O B-PER I-PER X [CLS] [SEP]", "BIO", "entities"),
        ("B-LOC B-MISC B-ORG I-LOC I-MISC I-ORG I-PER O", "IOB1", "entities"),
        ("O I-PER I-LOC", "IOB1", "entities"),
        ("O I-PER E-PER", "IOE2", "entities"),
        ("O I-PER E-PER I-LOC", "IOE1", "entities"),
        (" ".join(CKIP_NER), "BIOES", "entities"),
        ("O B-PER M-PER E-PER S-PER", "BIOES", "entities"),
        ("O B-name I-name S-name", "BIOES", "entities"),
        ("O B-PER I-PER L-PER U-PER", "BILOU", "entities"),
        ("O PER ORG LOC MISC", "bare", "entities"),
        ("B-Na I-Na B-VC I-VC", "BIO", "words+pos"),
        ("B-Na I-Na E-Na S-Na", "BIOES", "words+pos"),
        ("Na VC COMMACATEGORY DE", "bare", "labels"),
        ("NOUN VERB X _", "bare", "labels"),
    ],
)
def test_labels_in_the_wild_are_understood(labels, scheme, task):
    label_set = detect(labels.split())
    assert (label_set.scheme, label_set.task) == (scheme, task)


@pytest.mark.parametrize(
    "labels", ["B I", "I E B S", "B I O", "O I-X", "O I-X E-X I-Y", "O B-X I-X S-X", "O M_X B_X E_X W_X", "U-X L-X B-X"]
)
def test_asking_for_the_scheme_that_is_detected_changes_nothing(labels):
    found = detect(labels.split())
    assert detect(labels.split(), scheme=found.scheme) == found


def test_types_are_in_order_of_first_index_without_prefix():
    assert detect(("I-PER", "B-LOC", "O", "B-PER", "I-LOC")).types == ("PER", "LOC")


def test_type_ids_point_into_types_and_are_minus_one_outside():
    assert detect(("I-PER", "B-LOC", "O", "B-PER", "I-LOC")).type_ids.tolist() == [0, 1, -1, 0, 1]


def test_a_type_may_hold_further_hyphens():
    assert detect(("O", "B-per-name", "I-per-name")).types == ("per-name",)


def test_untyped_word_boundaries_have_no_types():
    label_set = detect(("B", "I"))
    assert (label_set.types, label_set.type_ids.tolist()) == ((), [0, 0])


def test_masks_say_what_a_tag_always_does():
    label_set = detect(("O", "B-A", "I-A", "E-A", "S-A"))
    assert label_set.begins.tolist() == [False, True, False, False, True]
    assert label_set.ends.tolist() == [False, False, False, True, True]
    assert label_set.outside.tolist() == [True, False, False, False, False]
    assert label_set.inside.tolist() == [False, True, True, True, True]


def test_the_underscore_of_a_bare_set_is_outside():
    assert detect(("NOUN", "_", "X")).outside.tolist() == [False, True, False]


def test_arrays_of_a_label_set_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        detect(("B", "I")).allowed[0, 0] = False


def test_equal_labels_make_equal_label_sets():
    assert detect(["B", "I"]) == detect(("B", "I"))
    assert hash(detect(["B", "I"])) == hash(detect(("B", "I")))


def test_the_description_says_task_scheme_and_types():
    assert detect(("O", "B-LOC", "I-LOC")).description == "entities in BIO, 1 type (LOC)"
    assert detect(("B", "I")).description == "word boundaries in BI"
    assert detect(CKIP_NER).description == "entities in BIOES, 4 types (CARDINAL, DATE, GPE, PERSON)"
    assert detect(list("NVADP")).description == "one label a word, 5 labels (N, V, A, D, ... 1 more)"


@pytest.mark.parametrize("alias", ["IOB2", "iob2", "bio"])
def test_a_scheme_can_be_asked_for_by_its_other_names(alias):
    assert detect(("O", "B-A", "I-A"), scheme=alias).scheme == "BIO"


def test_the_caller_overrules_a_set_that_is_bio_or_iob1():
    assert detect(("O", "B-A", "I-A"), scheme="IOB1").scheme == "IOB1"


def test_asking_for_bare_takes_any_names_as_one_label_a_word():
    label_set = detect(("LABEL_0", "LABEL_1"), scheme="bare")
    assert (label_set.task, label_set.types) == ("labels", ("LABEL_0", "LABEL_1"))


@pytest.mark.parametrize(
    ("labels", "scheme", "message"),
    [
        ((), None, "config.json: no labels"),
        (("LABEL_0", "LABEL_1"), None, r"LABEL_0, LABEL_1, which have no meaning.*--labels.*--scheme bare"),
        (("LABEL_0", "LABEL_1"), "BI", "LABEL_0, LABEL_1, which have no meaning"),
        (("B-A", "I-A", "B-A"), None, "label B-A appears more than once among 3 labels"),
        (("O", "B-A", "I-A"), "BI", "O, B-A, I-A does not fit scheme BI; expected labels such as B I"),
        (("B", "I"), "BIOES", "B, I does not fit scheme BIOES; expected labels such as O B-X I-X E-X S-X"),
        (("O", "B-A", "I-A"), "IOE2", "B-A does not fit scheme IOE2"),
        (("O", "B-A", "S-A"), "BIO", "S-A does not fit scheme BIO"),
        (("NOUN", "VERB"), "BIO", "NOUN, VERB does not fit scheme BIO"),
        (("B", "I"), "BIOLU", "'BIOLU' is not a scheme; expected one of BI, BMES"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_advice(labels, scheme, message):
    with pytest.raises(LabelError, match=message):
        detect(labels, scheme=scheme)


def test_a_message_names_the_file_it_was_given():
    with pytest.raises(LabelError, match=r"^lexel\.json: the labels are LABEL_0"):
        detect(("LABEL_0",), where="lexel.json")


FULL_SETS = {
    "BI": "B I",
    "BMES": "B M E S",
    "BIO": "O B-X I-X B-Y I-Y",
    "IOB1": "O B-X I-X B-Y I-Y",
    "IOE1": "O I-X E-X I-Y E-Y",
    "IOE2": "O I-X E-X I-Y E-Y",
    "BIOES": "O B-X I-X E-X S-X B-Y I-Y E-Y S-Y",
    "BILOU": "O B-X I-X L-X U-X",
    "bare": "X Y",
}

VALID = {
    "BI": ["B", "B I I B", "B B"],
    "BMES": ["S", "B E", "B M M E S S"],
    "BIO": ["O", "B-X I-X O", "B-X B-X", "B-X B-Y I-Y"],
    "IOB1": ["I-X", "O I-X I-X", "I-X B-X I-X B-X", "I-X I-Y"],
    "IOE1": ["I-X", "I-X E-X I-X", "E-X E-X I-X", "I-X I-Y"],
    "IOE2": ["E-X", "I-X E-X O", "E-X E-X", "I-X E-X I-Y E-Y"],
    "BIOES": ["O", "S-X S-X", "B-X E-X", "B-X I-X I-X E-X S-Y", "S-Y B-X E-X O"],
    "BILOU": ["U-X", "B-X L-X", "B-X I-X L-X O"],
    "bare": ["X", "X X Y"],
}

INVALID = {
    "BI": ["I", "I B"],
    "BMES": ["B", "M", "E", "B S", "S E", "B M", "B B E", "E M E"],
    "BIO": ["I-X", "O I-X", "B-X I-Y", "B-X O I-X"],
    "IOB1": ["B-X", "O B-X", "I-X B-Y", "I-Y O B-Y"],
    "IOE1": ["E-X", "E-X O", "I-X E-X", "E-X I-Y"],
    "IOE2": ["I-X", "I-X O", "I-X E-Y", "E-X I-X"],
    "BIOES": ["B-X", "I-X E-X", "E-X", "B-X O", "B-X E-Y", "S-X I-X E-X", "B-X S-X", "B-X B-X E-X"],
    "BILOU": ["B-X", "L-X", "B-X U-X", "U-X I-X L-X"],
    "bare": [],
}


def is_allowed(scheme: str, tags: str) -> bool:
    label_set = detect(FULL_SETS[scheme].split(), scheme=scheme)
    outside = len(label_set)
    path = [outside, *(label_set.labels.index(tag) for tag in tags.split()), outside]
    return bool(label_set.allowed[path[:-1], path[1:]].all())


def test_every_scheme_has_its_cases():
    assert set(FULL_SETS) == set(VALID) == set(INVALID) == set(SCHEMES)


@pytest.mark.parametrize(("scheme", "tags"), [(scheme, tags) for scheme in SCHEMES for tags in VALID[scheme]])
def test_a_well_formed_sequence_is_allowed(scheme, tags):
    assert is_allowed(scheme, tags)


@pytest.mark.parametrize(("scheme", "tags"), [(scheme, tags) for scheme in SCHEMES for tags in INVALID[scheme]])
def test_an_ill_formed_sequence_is_not_allowed(scheme, tags):
    assert not is_allowed(scheme, tags)


def allowed(labels: str, tags: str, scheme: str | None = None) -> bool:
    label_set = detect(labels.split(), scheme=scheme)
    path = [len(label_set), *(label_set.labels.index(tag) for tag in tags.split()), len(label_set)]
    return bool(label_set.allowed[path[:-1], path[1:]].all())


@pytest.mark.parametrize("tags", ["B-X", "S-X", "B-X I-X O", "B-X I-X I-X"])
def test_without_a_last_tag_the_inner_one_stands_for_it(tags):
    assert allowed("O B-X I-X S-X", tags) is (tags != "B-X")


def test_without_a_tag_for_single_pieces_the_first_one_stands_for_it():
    assert allowed("O B-X I-X E-X", "B-X O")


def test_without_a_first_tag_the_others_may_begin():
    assert allowed("O B-X I-X I-Y", "I-Y O", scheme="BIO")
    assert not allowed("O B-X I-X I-Y", "I-X O", scheme="BIO")


def test_padding_is_never_a_tag_of_a_word():
    label_set = detect(("[PAD]", "B", "I"))
    assert not label_set.allowed[:, 0].any()


@pytest.mark.parametrize(
    "labels",
    [
        "B M E",
        "B E S",
        "O B-X I-X S-X",
        "O S-X I-X",
        "O E-X",
        "O E-X S-X",
        "I-X",
        "O B-X",
        "B-X I-X I-Y E-Y",
        "S-X E-X",
    ],
)
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_every_text_has_a_valid_path_even_in_a_set_with_gaps(labels, length):
    label_set = detect(labels.split())
    reach = np.zeros(len(label_set) + 1, bool)
    reach[-1] = True
    for _ in range(length):
        reach = np.append((reach @ label_set.allowed)[:-1], False)
    assert (reach @ label_set.allowed)[-1]
