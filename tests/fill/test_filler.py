"""Masks filled by a tiny model, compared with what transformers computes for each step by itself."""

from __future__ import annotations

import logging
import math
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoConfig, AutoModelForPreTraining

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.decoding.vocabulary import BEGINS, BEGINS_AFTER_BLANK, CONTINUES, allowed_pieces
from lexel.errors import CheckpointError, DataError, LabelError, OptionError
from lexel.tasks.fill import Filler, Filling
from tests.builders import ENTITIES, VOCAB, build_tagger, write_json, write_vocab

from .conftest import POSITIONS, SETTINGS, build_masked, their_log_probs

CLS, SEP, MASK = (VOCAB.index(piece) for piece in ("[CLS]", "[SEP]", "[MASK]"))
WINDOW = POSITIONS - 2


def ids_of(pieces: str) -> list[int]:
    """Indexes of pieces that stand apart."""
    return [VOCAB.index(piece) for piece in pieces.split()]


def framed(ids: list[int]) -> list[int]:
    return [CLS, *ids, SEP]


def chain(model: Any, before: list[int], word: list[int], after: list[int], *, order: str = "left") -> float:
    """Log-probability of a word, a piece at a time, straight from the definition."""
    reached: list[int | None] = [None] * len(word)
    total = 0.0
    while None in reached:
        filled = [MASK if piece is None else piece for piece in reached]
        found = their_log_probs(model, framed([*before, *filled, *after]))[1 + len(before) :]
        still = [slot for slot, piece in enumerate(reached) if piece is None]
        slot = still[0]
        if order == "certain":
            slot = max(still, key=lambda slot: max(float(found[slot, piece]) for piece in allowed(slot)))
        reached[slot] = word[slot]
        total += float(found[slot, word[slot]])
    return total


def allowed(slot: int) -> list[int]:
    """Pieces that a stretch may have at a slot, by the rules that ``allowed_pieces`` states."""
    return [
        index
        for index, piece in enumerate(VOCAB)
        if index > MASK
        and (not piece.startswith("##") if slot == 0 else piece.startswith("##") or piece > "\u3400")
        and not (slot and piece > "\uff00")
    ]


def candidates(filling: Filling, blank: int = 0) -> list[tuple[str, float]]:
    return [(one.text, one.prob) for one in filling.blanks[blank].candidates]


def test_the_class_is_at_hand_without_its_module() -> None:
    assert lexel.Filler is Filler


def test_one_mask_gives_the_models_own_probabilities(filler: Filler, theirs: Any) -> None:
    found = filler("我在[MASK]", top_k=1000)
    expected = their_log_probs(theirs, framed([*ids_of("我 在"), MASK]))[3].exp()
    assert len(candidates(found)) == len(allowed(0))
    for text, prob in candidates(found):
        assert prob == pytest.approx(float(expected[VOCAB.index(text)]))
    assert [prob for _, prob in candidates(found)] == sorted((prob for _, prob in candidates(found)), reverse=True)


def test_several_masks_are_each_decided_with_the_others_masked(filler: Filler, theirs: Any) -> None:
    found = filler("[MASK]在[MASK]", top_k=2)
    expected = their_log_probs(theirs, framed([MASK, *ids_of("在"), MASK])).exp()
    for blank, place in ((0, 1), (1, 3)):
        for text, prob in candidates(found, blank):
            assert prob == pytest.approx(float(expected[place, VOCAB.index(text)]))
    assert found.blanks[0].candidates[0].filled.endswith("在[MASK]")
    assert [blank.masks for blank in found.blanks] == [((0, 6),), ((7, 13),)]
    assert found.best == candidates(found, 0)[0][0] + "在" + candidates(found, 1)[0][0]


def test_masks_decided_together_are_those_of_brute_force(filler: Filler, theirs: Any) -> None:
    found = filler("[MASK]在[MASK]", joint=True, order="left", beam=len(allowed(0)) ** 2, top_k=50)
    first = their_log_probs(theirs, framed([MASK, *ids_of("在"), MASK]))[1]
    expected = {}
    for piece in allowed(0):
        second = their_log_probs(theirs, framed([piece, *ids_of("在"), MASK]))[3]
        expected |= {(piece, other): float(first[piece] + second[other]) for other in allowed(0)}
    best = sorted(expected, key=lambda pair: -expected[pair])[:50]
    (blank,) = found.blanks
    assert [tuple(part.text for part in one.parts) for one in blank.candidates] == [
        (VOCAB[a], VOCAB[b]) for a, b in best
    ]
    assert [math.log(one.prob) for one in blank.candidates] == pytest.approx([expected[pair] for pair in best])


@pytest.mark.parametrize("order", ["left", "certain"])
def test_targets_of_any_length_are_scored_by_the_chain(order: Any, filler: Filler, theirs: Any) -> None:
    words = {"北": "北", "王小明": "王 小 明", "wenting": "went ##ing", "new": "new"}
    found = filler("我在[MASK]的", targets=list(words), order=order, length_penalty=1)
    expected = {
        word: chain(theirs, ids_of("我 在"), ids_of(pieces), ids_of("的"), order=order)
        for word, pieces in words.items()
    }
    assert {text: math.log(prob) for text, prob in candidates(found)} == pytest.approx(expected)
    means = {word: total / len(words[word].split()) for word, total in expected.items()}
    assert {one.text: one.score for one in found.blanks[0].candidates} == pytest.approx(means)
    assert [text for text, _ in candidates(found)] == sorted(means, key=lambda word: -means[word])


def test_ranking_by_pll_gives_each_piece_all_the_others(filler: Filler, theirs: Any) -> None:
    found = filler("我[MASK]的", targets=["王小"], rank="pll", length_penalty=0)
    total = 0.0
    for slot, filled in enumerate([[MASK, *ids_of("小")], [*ids_of("王"), MASK]]):
        total += float(
            their_log_probs(theirs, framed([*ids_of("我"), *filled, *ids_of("的")]))[2 + slot, ids_of("王 小")[slot]]
        )
    assert found.blanks[0].candidates[0].score == pytest.approx(total)


def test_a_stretch_of_unknown_length_ranks_all_lengths_together(filler: Filler, theirs: Any) -> None:
    found = filler("我在[MASK:1-3]", beam=200, top_k=1000)
    sizes = {len(one.parts[0].pieces) for one in found.blanks[0].candidates}
    assert sizes == {1, 2, 3}
    for one in found.blanks[0].candidates[::40]:
        word = [VOCAB.index(piece) for piece in one.parts[0].pieces]
        expected = chain(theirs, ids_of("我 在"), word, [], order="certain")
        assert math.log(one.prob) == pytest.approx(expected)
        assert one.score == pytest.approx(expected / len(word) ** 0.7)


def test_a_mask_without_a_length_has_the_calls(filler: Filler) -> None:
    one, two = filler("我[MASK]在[MASK:1]", length=2).blanks
    assert {len(found.parts[0].pieces) for found in one.candidates} == {2}
    assert {len(found.parts[0].pieces) for found in two.candidates} == {1}


def test_words_go_on_inside_a_stretch_only_and_special_pieces_never_stand(filler: Filler) -> None:
    found = filler("我[MASK][MASK:2]", top_k=10_000, beam=2000)
    lone, stretch = found.blanks
    assert not any(piece.startswith(("##", "[")) for one in lone.candidates for piece in one.parts[0].pieces)
    firsts, seconds = ({one.parts[0].pieces[slot] for one in stretch.candidates} for slot in (0, 1))
    assert not any(piece.startswith(("##", "[")) for piece in firsts)
    assert all(piece.startswith("##") or piece > "\u3400" for piece in seconds)
    assert any(piece.startswith("##") for piece in seconds)


def test_what_a_stretch_is_filled_with_reads_back_as_its_pieces(filler: Filler) -> None:
    found = filler("[MASK:2-3]", top_k=300, beam=300).blanks[0].candidates
    tokenizer = filler.flow.tokenizer
    for one in found:
        assert tokenizer.strings(tokenizer.encode([one.text]).ids) == list(one.parts[0].pieces)
    assert len({one.text for one in found}) == len(found)


@pytest.mark.parametrize("joint", [False, True])
def test_offsets_are_those_of_what_was_filled(joint: bool, filler: Filler) -> None:
    text = "🐼 in [MASK:1-2]，a\u200b____ x[MASK:2]."
    found = filler(text, joint=joint, mask="____")
    assert len(found.blanks) == (1 if joint else 3)
    for blank in found.blanks:
        masks = [text[start:end] for start, end in blank.masks]
        for one in blank.candidates:
            rebuilt = one.filled
            for part, mask in reversed(list(zip(one.parts, masks, strict=True))):
                assert one.filled[part.start : part.end] == part.text
                rebuilt = rebuilt[: part.start] + mask + rebuilt[part.end :]
            assert rebuilt == text


def test_targets_keep_their_spelling(filler: Filler) -> None:
    found = filler("[MASK] in", targets=["New", "york", "new"])
    assert {text for text, _ in candidates(found)} == {"New", "new", "york"}
    probs = dict(candidates(found))
    assert probs["New"] == probs["new"]


def test_combinations_of_targets_are_scored_for_masks_decided_together(filler: Filler) -> None:
    (blank,) = filler("[MASK] in [MASK]", targets=["北", "王小"], joint=True).blanks
    assert {tuple(part.text for part in one.parts) for one in blank.candidates} == set(
        product(["北", "王小"], repeat=2)
    )


def test_targets_that_the_vocabulary_lacks_are_left_out_and_said(
    filler: Filler, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="lexel"):
        found = filler("[MASK]", targets=["北龘", "北"])
    assert [text for text, _ in candidates(found)] == ["北"]
    assert "'北龘' has pieces that the vocabulary lacks (龘)" in caplog.text


# Long texts ----------------------------------------------------------------------------------------------------------


def test_a_long_text_is_read_with_the_mask_in_the_middle(filler: Filler, theirs: Any) -> None:
    pieces = [5 + n % 40 for n in range(150)]
    text = "".join(VOCAB[piece] for piece in pieces)
    found = filler(f"{text[:100]}[MASK]{text[101:]}", top_k=1)
    window = [*pieces[100 - WINDOW // 2 : 100], MASK, *pieces[101 : 100 + WINDOW // 2]]
    expected = their_log_probs(theirs, framed(window))[1 + WINDOW // 2].exp()
    (one,) = found.blanks[0].candidates
    assert len(window) == WINDOW
    assert one.prob == pytest.approx(float(expected[VOCAB.index(one.text)]))
    assert one.filled == text[:100] + one.text + text[101:]


@pytest.mark.parametrize(("at", "place"), [(3, 1 + 3), (149, WINDOW)])
def test_near_an_end_the_window_reaches_to_it(at: int, place: int, filler: Filler, theirs: Any) -> None:
    pieces = [5 + n % 40 for n in range(150)]
    text = "".join(VOCAB[piece] for piece in pieces)
    found = filler(f"{text[:at]}[MASK]{text[at + 1 :]}", top_k=1)
    whole = [*pieces[:at], MASK, *pieces[at + 1 :]]
    window = whole[:WINDOW] if at < WINDOW else whole[-WINDOW:]
    (one,) = found.blanks[0].candidates
    expected = their_log_probs(theirs, framed(window))[place].exp()
    assert one.prob == pytest.approx(float(expected[VOCAB.index(one.text)]))


def test_masks_far_apart_are_decided_together_in_windows_of_their_own(filler: Filler) -> None:
    text = "我在北" * 60
    (blank,) = filler(f"[MASK]{text}[MASK:2]", joint=True, top_k=1).blanks
    alone, stretch = (found.candidates[0] for found in filler(f"[MASK]{text}[MASK:2]").blanks)
    assert [part.text for part in blank.candidates[0].parts] == [alone.text, stretch.text]
    assert blank.candidates[0].prob == pytest.approx(alone.prob * stretch.prob)


# Streams -------------------------------------------------------------------------------------------------------------


def test_a_stream_gives_what_each_text_gives_alone_and_nothing_for_a_blank_one(filler: Filler) -> None:
    texts = ["我在[MASK]", "", "  ", "[MASK:1-2]在[MASK]的", "the [MASK] york" * 9]
    found = list(filler.stream(texts, top_k=2))
    assert [one.text for one in found] == texts
    assert [len(one.blanks) for one in found] == [1, 0, 0, 2, 9]
    for text, one in zip(texts, found, strict=True):
        alone = filler(text, top_k=2)
        assert [candidates(alone, n) for n in range(len(one.blanks))] == [
            [(text, pytest.approx(prob)) for text, prob in candidates(one, n)] for n in range(len(one.blanks))
        ]


# Other vocabularies --------------------------------------------------------------------------------------------------


def test_a_model_of_characters_fills_with_characters(tmp_path: Path, folders: dict[str, Path], filler: Filler) -> None:
    folder = shutil.copytree(folders["bert"], tmp_path / "chars")
    heads = {"fill": {"task": "fill", "prefix": "cls.predictions"}}
    write_json(folder / "lexel.json", {"format": 1, "pieces": "chars", "heads": heads})
    chars = Filler.load(folder, engine="numpy")
    found = chars("[MASK]在[MASK:2]北", top_k=200, beam=50)
    assert all(len(piece) == 1 for blank in found.blanks for one in blank.candidates for piece in one.parts[0].pieces)
    one = "我在[MASK]北"
    assert dict(candidates(chars(one, targets=["我"]))) == pytest.approx(dict(candidates(filler(one, targets=["我"]))))


def test_a_byte_level_model_keeps_one_space_before_a_word(folders: dict[str, Path]) -> None:
    roberta = Filler.load(folders["roberta"], engine="numpy")
    assert "  " not in roberta("I go <mask> the").best
    for one in roberta("I go <mask:2> the", top_k=20).blanks[0].candidates:
        assert one.parts[0].pieces[0].startswith("Ġ")
        assert not one.parts[0].pieces[1].startswith("Ġ")
        assert one.filled == f"I go {one.text} the"
    (to,) = roberta("I go <mask> the", targets=["to"]).blanks[0].candidates
    assert to.parts[0].pieces == ("Ġto",)
    (attached,) = roberta("I go (<mask> the", targets=["to"]).blanks[0].candidates
    assert "".join(attached.parts[0].pieces) == "to"
    assert attached.filled == "I go (to the"


@pytest.mark.parametrize("family", ["albert", "distilbert", "electra"])
def test_every_family_fills(family: str, folders: dict[str, Path]) -> None:
    found = Filler.load(folders[family], engine="numpy")("the [MASK:1-2] york [MASK]", joint=True)
    assert len(found.blanks[0].candidates) == 5


def test_pieces_that_are_no_text_or_stand_in_the_wrong_place_are_not_allowed() -> None:
    strings = ["[CLS]", "[unused7]", "go", "##ing", "北", "##北", "", "<s>NOTUSED", "[", "12"]
    texts = [string.removeprefix("##") for string in strings]
    rows = allowed_pieces(strings, texts, spelling="wordpiece")
    assert [strings[i] for i in np.flatnonzero(rows[BEGINS])] == ["go", "北", "[", "12"]
    assert [strings[i] for i in np.flatnonzero(rows[CONTINUES])] == ["##ing", "北"]
    marked = ["▁", "▁go", "ing", "<unk>", "Ġto", "�"]
    rows = allowed_pieces(marked, [string.strip("▁Ġ") for string in marked], spelling="marked")
    assert [marked[i] for i in np.flatnonzero(rows[BEGINS])] == ["▁go", "ing", "Ġto"]
    assert [marked[i] for i in np.flatnonzero(rows[BEGINS_AFTER_BLANK])] == ["▁go", "Ġto"]
    assert [marked[i] for i in np.flatnonzero(rows[CONTINUES])] == ["ing"]


# What cannot be ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "kind", "said"),
    [
        ("我在", {}, DataError, r"text 0: no mask in '我在'; expected \[MASK\]"),
        ("我在", {"mask": "____"}, DataError, r"expected ____ or \[MASK\]"),
        ("[MASK:0]", {}, DataError, "lengths from 1"),
        ("[MASK:4-2]", {}, DataError, "the smaller first"),
        (f"[MASK:{WINDOW + 1}]", {}, DataError, f"has up to {WINDOW + 1} pieces; the model reads {WINDOW} together"),
        ("[MASK:1-4]" * 5, {"joint": True}, DataError, "text 0: 1,024 combinations of lengths; expected at most 256"),
        (
            "[MASK]" * 9,
            {"joint": True, "targets": list("一是不在")},
            DataError,
            "text 0: 262,144 combinations of targets",
        ),
        ("[MASK]", {"targets": []}, OptionError, "targets: an empty list"),
        ("[MASK]", {"targets": ["北", " "]}, OptionError, "one is empty"),
        ("[MASK]", {"targets": ["龘", "x龘"]}, OptionError, "'龘' has pieces that the vocabulary lacks"),
        ("[MASK]", {"targets": ["北" * 63]}, OptionError, "has 63 pieces, the model reads 62"),
        ("[MASK]", {"targets": "北"}, TypeError, "targets is the str '北'"),
        ("[MASK]", {"targets": ["北", 7]}, TypeError, "found int"),
        ("[MASK]", {"mask": " "}, OptionError, "mask is ' '"),
        ("[MASK]", {"top_k": 0}, OptionError, "top_k is 0"),
        ("[MASK]", {"length": (3, 2)}, OptionError, "length is"),
        ("[MASK]", {"length": "2"}, OptionError, "length is '2'"),
        ("[MASK]", {"top_k": "2"}, OptionError, "top_k is '2'"),
        ("[MASK]", {"order": "best"}, OptionError, "expected one of left, certain"),
        ("[MASK]", {"beams": 2}, TypeError, "the nearest is 'beam'"),
        (["[MASK]"], {}, TypeError, "iterate over stream"),
    ],
)
def test_what_cannot_be_filled_is_said(
    text: Any, options: dict[str, Any], kind: type[Exception], said: str, filler: Filler
) -> None:
    with pytest.raises(kind, match=said):
        filler(text, **options)


def test_too_long_a_text_is_refused_if_asked(folders: dict[str, Path]) -> None:
    short = Filler.load(folders["bert"], engine="numpy", max_chars=8)
    with pytest.raises(DataError, match="text 1: 9 characters; expected at most 8"):
        list(short.stream(["[MASK]", "我在北[MASK]"]))


def test_a_folder_without_the_head_says_what_it_has(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "ner", heads={"entities": ENTITIES})
    with pytest.raises(LabelError, match=r"no head for fill; it has entities \(entities\), which Tagger reads"):
        Filler.load(folder)


def test_electras_discriminator_is_refused_with_the_reason(tmp_path: Path) -> None:
    config = AutoConfig.for_model("electra", vocab_size=len(VOCAB), **SETTINGS["electra"])
    AutoModelForPreTraining.from_config(config).save_pretrained(tmp_path)
    write_vocab(tmp_path, VOCAB)
    with pytest.raises(LabelError, match=r"ELECTRA's discriminator.*Take the generator"):
        Filler.load(tmp_path)


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    folder = build_masked(tmp_path / "maskless", "bert")
    write_vocab(folder, [piece if piece != "[MASK]" else "[other]" for piece in VOCAB])
    with pytest.raises(CheckpointError, match="no mask piece"):
        Filler.load(folder)


@pytest.mark.parametrize("unit", ["char", "utf16", "byte"])
def test_offsets_in_any_unit_slice_back(unit: str, filler: Filler) -> None:
    record = filler("\U00020000王[MASK:2]在[MASK]", joint=True).record(unit=unit)

    def sliced(text: str, start: int, end: int) -> str:
        if unit == "char":
            return text[start:end]
        encoded, size = (text.encode(), 1) if unit == "byte" else (text.encode("utf-16-le"), 2)
        return encoded[start * size : end * size].decode("utf-8" if unit == "byte" else "utf-16-le")

    (blank,) = record["blanks"]
    assert [sliced(record["text"], *mask) for mask in blank["masks"]] == ["[MASK:2]", "[MASK]"]
    assert blank["candidates"]
    for candidate in blank["candidates"]:
        for part in candidate["parts"]:
            assert sliced(candidate["filled"], part["start"], part["end"]) == part["text"]


def test_a_text_of_another_script_is_read_in_the_models_and_keeps_its_own(folders: dict[str, Path]) -> None:
    filler = Filler.load(folders["bert"], engine="numpy", script="simplified")
    found, same = filler("時地[MASK]們個說"), filler("时地[MASK]们个说")
    (blank,), (expected,) = found.blanks, same.blanks
    assert blank.masks == ((2, 8),)
    assert [one.prob for one in blank.candidates] == [one.prob for one in expected.candidates]
    assert all(one.filled == f"時地{one.text}們個說" for one in blank.candidates)
    assert filler.perplexity("時們個說").value == filler.perplexity("时们个说").value
    assert "script: text is read as simplified Chinese" in filler.description


def test_an_opened_checkpoint_is_taken(folders: dict[str, Path]) -> None:
    found = Filler.load(open_checkpoint(folders["bert"]), engine="numpy", top_k=1)("[MASK]")
    assert len(found.blanks[0].candidates) == 1
