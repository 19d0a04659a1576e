"""Any Python string goes in; offsets index it; a batch is its texts one by one; wrong files give one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexel.errors import CheckpointError
from lexel.text.alignment import bounds_of, piece_of_char, read_chars
from lexel.text.backend import library_errors
from lexel.text.pieces import Pieces
from lexel.text.tokenizer import CharTokenizer, LibraryTokenizer, Tokenizer, load_tokenizer

from .conftest import AWKWARD, SENTENCES, TEXTS, write_json

Folder = Callable[..., Path]

CHARACTERS = (
    st.sampled_from(list("aé中文😀 \n\t\u3000▁Ġ#[]\u0301\u0323\u200b\x00\x1c\ud800\udfff\ufffdกבع한")) | st.characters()
)
STRINGS = st.text(CHARACTERS, max_size=40) | st.sampled_from(TEXTS)


@pytest.fixture(scope="session", params=["bert", "bert-cased", "roberta", "xlmr", "albert", "chars"])
def tokenizer(
    request: pytest.FixtureRequest, bert_folder: Folder, roberta_folder: Folder, xlmr_folder: Path, albert_folder: Path
) -> Tokenizer:
    """One tokenizer of each kind."""
    folders = {
        "bert": bert_folder,
        "bert-cased": lambda: bert_folder(tokenizer_config={"do_lower_case": False, "strip_accents": False}),
        "roberta": roberta_folder,
        "xlmr": lambda: xlmr_folder,
        "albert": lambda: albert_folder,
        "chars": bert_folder,
    }
    pieces = "chars" if request.param == "chars" else "tokenizer"
    return load_tokenizer(folders[request.param](), pieces=pieces, model_type="bert")


def one_by_one(all_pieces: list[Pieces]) -> dict[str, list[int]]:
    """The pieces of single texts laid end to end."""
    names = ("ids", "starts", "ends", "words")
    joined = {name: [value for pieces in all_pieces for value in getattr(pieces, name).tolist()] for name in names}
    joined["bounds"] = bounds_of(map(len, all_pieces), len(all_pieces)).tolist()
    return joined


def as_lists(pieces: Pieces) -> dict[str, list[int]]:
    return {name: getattr(pieces, name).tolist() for name in ("ids", "starts", "ends", "words", "bounds")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STRINGS, max_size=4))
def test_any_strings_give_offsets_inside_them_in_order(tokenizer: Tokenizer, texts: list[str]) -> None:
    pieces = tokenizer.encode(texts)

    assert pieces.bounds[0] == 0
    assert pieces.bounds[-1] == len(pieces.ids) == len(pieces.starts) == len(pieces.ends) == len(pieces.words)
    assert len(pieces.bounds) == len(texts) + 1
    for i, text in enumerate(texts):
        own = slice(*pieces.bounds[i : i + 2].tolist())
        starts, ends, words = (array[own] for array in (pieces.starts, pieces.ends, pieces.words))
        assert (starts >= 0).all()
        assert (starts <= ends).all()
        assert (ends <= len(text)).all()
        assert (np.diff(starts) >= 0).all()
        assert set(np.diff(words, prepend=-1).tolist()) <= {0, 1}
        if not isinstance(tokenizer, CharTokenizer):
            assert not any(text[start:end][:1].isspace() for start, end in zip(starts, ends, strict=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STRINGS, max_size=4))
def test_a_batch_is_its_texts_one_by_one(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert as_lists(tokenizer.encode(texts)) == one_by_one([tokenizer.encode([text]) for text in texts])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.lists(STRINGS, max_size=4))
def test_pieces_of_given_words_stay_inside_them(tokenizer: Tokenizer, data: st.DataObject, texts: list[str]) -> None:
    words = []
    for text in texts:
        edges = data.draw(st.lists(st.integers(0, len(text)), max_size=8).filter(lambda cuts: len(cuts) % 2 == 0))
        words.append(np.array(sorted(edges), np.int32).reshape(-1, 2))

    pieces = tokenizer.encode_words(texts, words)

    for i, ranges in enumerate(words):
        own = slice(*pieces.bounds[i : i + 2].tolist())
        inside = ranges[pieces.words[own]]
        assert (pieces.starts[own] >= inside[:, 0]).all()
        assert (pieces.ends[own] <= inside[:, 1]).all()
        assert (np.diff(pieces.words[own]) >= 0).all()


def test_every_letter_of_plain_sentences_is_covered(tokenizer: Tokenizer) -> None:
    chars = read_chars(SENTENCES)

    owner = piece_of_char(chars, tokenizer.encode(SENTENCES))

    assert (owner[~chars.space] >= 0).all()


def test_no_texts_give_no_pieces(tokenizer: Tokenizer) -> None:
    assert as_lists(tokenizer.encode([])) == {"ids": [], "starts": [], "ends": [], "words": [], "bounds": [0]}
    assert tokenizer.encode(["", ""]).bounds.tolist() == [0, 0, 0]
    assert tokenizer.encode_words([], []).bounds.tolist() == [0]
    assert tokenizer.encode_words(["ab"], [np.empty((0, 2), np.int32)]).bounds.tolist() == [0, 0]


def test_arrays_have_the_promised_types(tokenizer: Tokenizer) -> None:
    for pieces in (
        tokenizer.encode(SENTENCES),
        tokenizer.encode([]),
        tokenizer.encode_words(["a"], [np.array([[0, 1]])]),
    ):
        arrays = (pieces.ids, pieces.starts, pieces.ends, pieces.words, pieces.bounds)
        assert [array.dtype.name for array in arrays] == ["int32"] * 4 + ["int64"]


@pytest.mark.parametrize("ranges", [[[0, 3]], [[-1, 1]], [[1, 2], [0, 1]], [[0, 2], [1, 2]], [[2, 1]]])
def test_words_that_do_not_fit_their_text_are_refused(tokenizer: Tokenizer, ranges: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"words\[0\].*text of 2 characters"):
        tokenizer.encode_words(["ab"], [np.array(ranges)])


def test_each_text_needs_its_words(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="1 arrays for 2 texts"):
        tokenizer.encode_words(["a", "b"], [np.array([[0, 1]])])


def test_an_index_outside_the_vocabulary_has_no_string(tokenizer: Tokenizer) -> None:
    with pytest.raises(KeyError):
        tokenizer.strings([10**6])


# The library


def test_a_lone_surrogate_counts_as_the_replacement_character(bert_folder: Folder) -> None:
    tokenizer = load_tokenizer(bert_folder(), pieces="tokenizer", model_type="bert")

    given_, replaced = tokenizer.encode(["a\ud800b \udc00c"]), tokenizer.encode(["a\ufffdb \ufffdc"])

    assert as_lists(given_) == as_lists(replaced)


def test_a_special_piece_spelt_out_is_the_special_piece(bert_folder: Folder) -> None:
    tokenizer = load_tokenizer(bert_folder(), pieces="tokenizer", model_type="bert")

    pieces = tokenizer.encode(["a [SEP] b"])

    assert pieces.ids.tolist()[1] == tokenizer.special.suffix[0]
    assert (pieces.starts[1], pieces.ends[1]) == (2, 7)


def test_a_folder_can_ask_for_special_spellings_to_be_plain_text(bert_folder: Folder) -> None:
    folder = bert_folder(tokenizer_config={"split_special_tokens": True})

    pieces = load_tokenizer(folder, pieces="tokenizer", model_type="bert").encode(["[SEP]"])

    assert len(pieces) > 1


def test_byte_level_pieces_of_one_character_share_its_offsets(roberta_folder: Folder) -> None:
    pieces = load_tokenizer(roberta_folder(), pieces="tokenizer", model_type="roberta").encode(["a😀b"])

    inside = (pieces.starts == 1) & (pieces.ends == 2)
    assert inside.sum() >= 2
    assert inside[1:-1].all()


def test_words_of_a_byte_level_tokenizer_without_prefix_space_are_read_as_in_running_text(
    roberta_folder: Folder,
) -> None:
    plain = load_tokenizer(roberta_folder(add_prefix_space=False), pieces="tokenizer", model_type="roberta")
    prefixed = load_tokenizer(roberta_folder(add_prefix_space=True), pieces="tokenizer", model_type="roberta")
    words = [np.array([[0, 3], [4, 9]], np.int32)]

    found = as_lists(plain.encode_words(["The naïve"], words))

    assert found == as_lists(prefixed.encode_words(["The naïve"], words))
    assert plain.encode(["The"]).ids.tolist() != prefixed.encode(["The"]).ids.tolist()


def test_a_long_text_in_parts_is_the_text_in_one(
    bert_folder: Folder, roberta_folder: Folder, xlmr_folder: Path, albert_folder: Path
) -> None:
    folders = [bert_folder(), roberta_folder(), roberta_folder(add_prefix_space=True), xlmr_folder, albert_folder]
    mixed = [" ".join(TEXTS), "".join(TEXTS), "".join(SENTENCES), "中" * 50, " ".join(["word"] * 40)]
    for folder in folders:
        whole = load_tokenizer(folder, pieces="tokenizer", model_type="bert")
        assert isinstance(whole, LibraryTokenizer)
        parts = LibraryTokenizer(whole._backend, special=whole.special, part_chars=5)
        assert len(parts._parts(["An indefinite re-examination was postponed"]).inputs) > 2
        assert as_lists(parts.encode(mixed)) == as_lists(whole.encode(mixed))


def test_cuts_keep_away_from_what_added_pieces_hold(bert_folder: Folder, bert_vocab: list[str]) -> None:
    folder = bert_folder(added_tokens={"two people": len(bert_vocab), "，我": len(bert_vocab) + 1})
    whole = load_tokenizer(folder, pieces="tokenizer", model_type="bert")
    assert isinstance(whole, LibraryTokenizer)
    parts = LibraryTokenizer(whole._backend, special=whole.special, part_chars=1)
    texts = ["are two people here。你們，我們。他"]

    assert as_lists(parts.encode(texts)) == as_lists(whole.encode(texts))
    assert len(parts._parts(texts).inputs) > 1


def test_one_thread_gives_the_same_pieces(bert_folder: Folder) -> None:
    folder = bert_folder()
    many, one = (load_tokenizer(folder, pieces="tokenizer", model_type="bert", threads=n) for n in (None, 1))

    assert as_lists(many.encode(TEXTS)) == as_lists(one.encode(TEXTS))
    words = [np.array([[0, len(text)]]) for text in TEXTS]
    assert as_lists(many.encode_words(TEXTS, words)) == as_lists(one.encode_words(TEXTS, words))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_after_threads_ran_is_silent_and_the_child_works(bert_folder: Folder) -> None:
    program = f"""
import os
from pathlib import Path
from lexel.text.tokenizer import load_tokenizer
tokenizer = load_tokenizer(Path({str(bert_folder())!r}), pieces="tokenizer", model_type="bert")
n = len(tokenizer.encode(["a b c"] * 100))
child = os.fork()
if child == 0:
    quiet = os.environ["TOKENIZERS_PARALLELISM"] == "false"
    os._exit(0 if quiet and len(tokenizer.encode(["a b c"] * 100)) == n else 1)
status = os.waitpid(child, 0)[1]
assert "TOKENIZERS_PARALLELISM" not in os.environ
assert len(tokenizer.encode(["a b c"] * 100)) == n
print("child", status)
"""
    env = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    env["RAYON_NUM_THREADS"] = "2"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env, check=False
    )

    assert (done.stdout, done.stderr) == ("child 0\n", "")


# Characters


def test_every_character_is_one_piece_looked_up_as_it_stands(bert_folder: Folder) -> None:
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", "a", "##b", "\u3000", "\ufffd", "😀"]
    tokenizer = load_tokenizer(bert_folder(vocab=vocab), pieces="chars", model_type="bert")

    pieces = tokenizer.encode(["中aAb \u3000", "\ud800\ufffd😀\U0010ffff"])

    assert pieces.ids.tolist() == [5, 6, 1, 1, 1, 1, 9, 9, 10, 1]
    assert pieces.starts.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    assert pieces.ends.tolist() == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    assert pieces.words.tolist() == pieces.starts.tolist()
    assert pieces.bounds.tolist() == [0, 6, 10]


def test_words_of_characters_know_their_word(bert_folder: Folder) -> None:
    tokenizer = load_tokenizer(bert_folder(), pieces="chars", model_type="bert")

    pieces = tokenizer.encode_words(["ab c", "xy"], [np.array([[0, 2], [2, 2], [3, 4]]), np.array([[1, 2]])])

    assert pieces.starts.tolist() == [0, 1, 3, 1]
    assert pieces.words.tolist() == [0, 0, 2, 0]
    assert pieces.bounds.tolist() == [0, 3, 4]
    assert pieces.ids.tolist() == tokenizer.encode(["abcy"]).ids.tolist()


def test_characters_read_back_as_they_stood(bert_folder: Folder) -> None:
    tokenizer = load_tokenizer(bert_folder(), pieces="chars", model_type="bert")
    ids = tokenizer.encode(["昨天下午"]).ids

    assert tokenizer.strings(ids) == ["昨", "天", "下", "午"]
    assert tokenizer.decode([*tokenizer.special.prefix, *ids, *tokenizer.special.suffix]) == "昨天下午"


@pytest.mark.parametrize("name", ["xlmr", "roberta"])
def test_any_vocabulary_file_serves_characters(name: str, xlmr_folder: Path, roberta_folder: Folder) -> None:
    folder = xlmr_folder if name == "xlmr" else roberta_folder()

    tokenizer = load_tokenizer(folder, pieces="chars", model_type="xlm-roberta")

    assert tokenizer.special.pair_middle == (*tokenizer.special.suffix, *tokenizer.special.suffix)
    assert len(tokenizer.encode(["a b"])) == 3


# Files


def test_a_tokenizer_json_without_a_template_gets_the_familys(bert_folder: Folder) -> None:
    folder = bert_folder()
    whole = load_tokenizer(folder, pieces="tokenizer", model_type="bert")
    assert isinstance(whole, LibraryTokenizer)
    described = json.loads(whole._backend.to_str()) | {"post_processor": None}
    write_json(folder / "tokenizer.json", described)

    special = load_tokenizer(folder, pieces="tokenizer", model_type="bert").special

    assert special == whole.special
    assert (special.prefix, special.suffix, special.pair_middle, special.pair_type_id) == ((2,), (3,), (3,), 1)


def test_a_special_piece_outside_the_vocabulary_is_not_invented(bert_folder: Folder, bert_vocab: list[str]) -> None:
    vocab = [piece for piece in bert_vocab if piece != "[MASK]"]
    folder = bert_folder(vocab=vocab, tokenizer_config={"mask_token": "[MASK]"})

    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="bert")

    assert tokenizer.n_pieces == len(vocab)
    assert tokenizer.special.mask is None


def test_other_line_separators_are_pieces_of_a_vocab_txt(bert_folder: Folder) -> None:
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2028", "\x85", "\u3000", "a"]
    folder = bert_folder(vocab=vocab)
    (folder / "vocab.txt").write_bytes("\r\n".join(vocab).encode())

    assert load_tokenizer(folder, pieces="chars", model_type="bert").encode(["a"]).ids.tolist() == [7]


@pytest.mark.parametrize("pieces", ["chars", "tokenizer"])
@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_needed_special_piece_is_refused(
    bert_folder: Folder, bert_vocab: list[str], missing: str, pieces: str
) -> None:
    folder = bert_folder(vocab=[piece for piece in bert_vocab if piece != missing])

    with pytest.raises(CheckpointError, match=rf"vocab\.txt: .*{missing[1:-1]}"):
        load_tokenizer(folder, pieces=pieces, model_type="bert")


def test_lines_of_a_vocab_txt_keep_their_indexes_whatever_stands_on_them(
    bert_folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bert_folder(vocab=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "", "b", "a", ""])

    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="bert")

    assert tokenizer.encode(["a b"]).ids.tolist() == [7, 6]
    assert tokenizer.n_pieces == 8
    assert tokenizer.strings([4, 5]) == ["", ""]
    assert "line 8 repeats line 5 ('a'), line 6 is empty, line 9 is empty" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe[PAD]"])
def test_an_unreadable_vocab_txt_is_refused(bert_folder: Folder, content: bytes) -> None:
    folder = bert_folder()
    (folder / "vocab.txt").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        load_tokenizer(folder, pieces="tokenizer", model_type="bert")


@pytest.mark.parametrize("pieces", ["chars", "tokenizer"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": {"type": "WordPiece"}}'])
def test_a_broken_tokenizer_json_is_refused(tmp_path: Path, content: str, pieces: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")

    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path, pieces=pieces, model_type="bert")


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("{", "not JSON"),
        ("[]", "holds a list"),
        ('{"cls_token": 5}', "cls_token: 5 is not a piece"),
        ('{"added_tokens_decoder": {"x": {"content": "a"}}}', "index 'x'"),
        ('{"added_tokens_decoder": ["a"]}', "added_tokens_decoder is a list"),
    ],
)
def test_a_broken_tokenizer_config_is_refused(bert_folder: Folder, config: str, found: str) -> None:
    folder = bert_folder()
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")

    with pytest.raises(CheckpointError, match=found) as caught:
        load_tokenizer(folder, pieces="tokenizer", model_type="bert")

    assert "tokenizer_config.json" in str(caught.value)


def test_an_added_piece_at_another_index_is_refused(bert_folder: Folder, bert_vocab: list[str]) -> None:
    folder = bert_folder(added_tokens={"<NER>": len(bert_vocab) + 5})

    with pytest.raises(CheckpointError, match=rf"'<NER>' has index {len(bert_vocab) + 5}"):
        load_tokenizer(folder, pieces="tokenizer", model_type="bert")


def test_a_vocab_txt_of_another_kind_of_tokenizer_is_refused(bert_folder: Folder) -> None:
    folder = bert_folder(tokenizer_config={"tokenizer_class": "BertJapaneseTokenizer"})

    with pytest.raises(CheckpointError, match=r"'BertJapaneseTokenizer' with vocab\.txt"):
        load_tokenizer(folder, pieces="tokenizer", model_type="bert")


def test_a_sentencepiece_file_alone_says_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"tokenizer\.model without tokenizer\.json.*save_pretrained"):
        load_tokenizer(tmp_path, pieces="tokenizer", model_type="xlm-roberta")


@pytest.mark.parametrize("pieces", ["chars", "tokenizer"])
def test_a_folder_without_tokenizer_files_is_refused(tmp_path: Path, pieces: str) -> None:
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json, no vocab\.txt"):
        load_tokenizer(tmp_path, pieces=pieces, model_type="bert")


def test_another_word_for_pieces_is_refused(bert_folder: Folder) -> None:
    with pytest.raises(ValueError, match="'words'"):
        load_tokenizer(bert_folder(), pieces="words", model_type="bert")


def test_the_awkward_texts_hold_a_case_of_each_kind() -> None:
    joined = "".join(AWKWARD)
    assert all(mark in joined for mark in ("😀", "\u0301", "\x00", "\u200b", "[SEP]", "<s>", "\u3000"))


def test_full_width_letters_and_digits_are_read_as_ascii_where_the_folder_says_so(bert_folder: Folder) -> None:
    folder = bert_folder(vocab=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "1", "１", "，"])
    text = "ａ１1，ｂ"
    plain = load_tokenizer(folder, pieces="chars", model_type="bert").encode([text])
    assert plain.ids.tolist() == [1, 6, 5, 7, 1]
    folder = bert_folder(
        vocab=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "1", "１", "，"], tokenizer_config={"fold_full_width": True}
    )
    folded = load_tokenizer(folder, pieces="chars", model_type="bert").encode([text])
    assert folded.ids.tolist() == [4, 5, 5, 7, 1]


def test_a_lack_of_memory_is_not_called_a_damaged_tokenizer() -> None:
    with pytest.raises(MemoryError), library_errors("tokenizer", "the tokenizer files are damaged"):
        raise MemoryError
