"""Characters looked up in a table give exactly what the library gives."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lexel.text import lone_chars
from lexel.text.tokenizer import LibraryTokenizer, Pieces, load_tokenizer

DATA = Path(__file__).parent.parent / "data"
AWKWARD = "中文的 一二，。！abcXYZ019éàñ\u0301\u0327\u0323\u05b0  \t\n\u200b\u3000"
AWKWARD += "①Ⅳ가힣ﬁ﨑豈𠀀😀\u200d👧'-_.…—「」\x00\ufffdⓐßΣςİ[MASK][SEP]"
SPELLINGS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##ing", "##er", "20", "##12", "199"]


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    names = ("zh_gsd", "zh_gsdsimp", "zh_hk", "en_ewt")
    lines = [line for name in names for line in (DATA / f"{name}.jsonl").read_bytes().splitlines()]
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="module", params=[True, False], ids=["lower-cased", "cased"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sentences: list[str]):
    folder = tmp_path_factory.mktemp("tokenizer")
    letters = [chr(code) for code in range(33, 127)]
    chars = sorted(char for char in set("".join(sentences)) if not char.isspace())
    vocab = dict.fromkeys([*SPELLINGS, *letters, *(f"##{letter}" for letter in letters), *chars[::2]])
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocab), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": request.param}))
    return load_tokenizer(folder, pieces="tokenizer", model_type="bert")


def random_text(generator: random.Random) -> str:
    planes = ((0, 0x2FF), (0x300, 0xD7FF), (0xE000, 0x2FFFF))
    chars = [
        generator.choice(AWKWARD) if generator.random() < 0.8 else chr(generator.randint(*generator.choice(planes)))
        for _ in range(generator.randint(0, 60))
    ]
    return "".join(chars)


def random_words(generator: random.Random, text: str) -> np.ndarray:
    """Places of words in a text, some with gaps between them, some empty, some that hold blanks."""
    edges = sorted(generator.choices(range(len(text) + 1), k=2 * generator.randint(0, len(text) // 2)))
    if generator.random() < 0.5:
        edges = sorted((*edges, *edges))[1:-1]  # words that touch
    return np.array(edges[: len(edges) // 2 * 2], np.int32).reshape(-1, 2)


def check_equal(tokenizer: LibraryTokenizer, texts: list[str]) -> int:
    """Compare with the library alone; the number of characters compared."""
    check_same(tokenizer.encode(texts), tokenizer._encode_all(texts))
    return sum(map(len, texts))


def check_same(found: Pieces, expected: Pieces) -> None:
    for name in ("ids", "starts", "ends", "words", "bounds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
        assert getattr(found, name).dtype == getattr(expected, name).dtype, name


def test_a_million_characters_of_real_text_give_the_librarys_pieces(tokenizer, sentences):
    generator, compared = random.Random(20261121), check_equal(tokenizer, sentences)
    while compared < 1_000_000:  # the same sentences, each time with other neighbours
        shuffled = generator.sample(sentences, len(sentences))
        compared += check_equal(tokenizer, [a + b for a, b in pairwise(shuffled)])


def test_a_million_random_characters_give_the_librarys_pieces(tokenizer, sentences):
    generator, compared = random.Random(20261121), 0
    while compared < 1_000_000:
        compared += check_equal(tokenizer, [random_text(generator) for _ in range(2000)])


def test_random_characters_within_real_text_give_the_librarys_pieces(tokenizer, sentences):
    generator = random.Random(20261122)
    check_equal(
        tokenizer, [random_text(generator).join(generator.sample(sentences, 3)).strip("\n") for _ in range(500)]
    )


def test_given_words_give_the_librarys_pieces(tokenizer, sentences):
    generator = random.Random(20261123)
    texts = [*sentences, *(random_text(generator) for _ in range(3000))]
    words = [random_words(generator, text) for text in texts]
    assert tokenizer._lone_chars is not None
    check_same(tokenizer.encode_words(texts, words), tokenizer._encode_all_words(texts, words))


@pytest.mark.parametrize("blanks", [True, False])
def test_every_ideograph_gives_the_librarys_piece(tokenizer, blanks):
    chars = [chr(code) for code in range(0x3400, 0xA000)]
    check_equal(tokenizer, [(" " * blanks).join(chars[i : i + 50]) for i in range(0, len(chars), 50)])


def test_ideographs_that_are_not_set_apart_stay_together(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n##文\n人\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenize_chinese_chars": false}', encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    assert tokenizer.strings(tokenizer.encode(["中文", "人人"]).ids) == ["中", "##文", "[UNK]"]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["", "中", ""],
        [" "],
        ["[MASK]"],
        ["中[MASK]文[SEP]"],
        ["a\u200bb中"],
        ["a [MASK] b", "[MASK]a \u0301b"],
    ],
)
def test_edges_give_the_librarys_pieces(tokenizer, texts):
    check_equal(tokenizer, texts)


@pytest.mark.parametrize("texts", [[], [""], ["", "中文", ""], [" "], ["[MASK]中a"]])
def test_edges_of_given_words_give_the_librarys_pieces(tokenizer, texts):
    words = [np.array([[0, len(text)]], np.int32)[: len(text)] for text in texts]
    check_same(tokenizer.encode_words(texts, words), tokenizer._encode_all_words(texts, words))


def test_a_lone_surrogate_is_cut_as_the_replacement_character(tokenizer):
    words = [np.array([[0, 2], [2, 3]], np.int32)]
    check_same(tokenizer.encode(["中\ud800文"]), tokenizer.encode(["中\ufffd文"]))
    check_same(tokenizer.encode_words(["中\ud800文"], words), tokenizer.encode_words(["中\ufffd文"], words))


def test_a_piece_that_must_be_a_whole_word_leaves_everything_to_the_library(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n文\n中文\n", encoding="utf-8")
    added = {"7": {"content": "中文", "single_word": True, "special": False, "normalized": False}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    assert tokenizer._lone_chars is None
    assert tokenizer.strings(tokenizer.encode(["中文"]).ids) == ["中文"]


def test_an_added_piece_of_ideographs_is_still_found(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n文\n人\n中文\n", encoding="utf-8")
    added = {"8": {"content": "中文", "special": False, "normalized": False}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    assert tokenizer.strings(tokenizer.encode(["人中文人中人"]).ids) == ["人", "中文", "人", "中", "人"]


def add_piece(folder: Path, **piece: object) -> LibraryTokenizer:
    """A tokenizer with one piece beside its vocabulary."""
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", "文", "a", "b", "##a", "##b", piece["content"]]
    (folder / "vocab.txt").write_text("".join(f"{name}\n" for name in vocab), encoding="utf-8")
    added = {str(len(vocab) - 1): piece | {"special": False}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}), encoding="utf-8")
    return load_tokenizer(folder, pieces="tokenizer", model_type="bert")


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize(
    "piece",
    [{"content": "a b"}, {"content": "ab", "lstrip": True}, {"content": "ab", "rstrip": True}],
    ids=["blank inside", "blanks before", "blanks after"],
)
def test_an_added_piece_with_blanks_is_found_as_the_library_finds_it(tmp_path, piece, normalized):
    tokenizer = add_piece(tmp_path, **piece, normalized=normalized)
    texts = ["中a b文", "a\tb", "A\u3000B", "a ab b", "中 \u200eab\u200e 中", "b\t\u200eab\u200e\ta"]
    check_equal(tokenizer, texts)


def test_what_is_remembered_stays_within_its_bound(tokenizer, monkeypatch):
    monkeypatch.setattr(lone_chars, "_REMEMBERED", 10)
    cutter = lone_chars.LoneChars(tokenizer._backend, tokenizer._encode_all)
    for first in range(0, 60, 20):
        texts = [" ".join(f"x{number}" for number in range(first, first + 20))] * 2
        check_same(cutter.encode(texts), tokenizer._encode_all(texts))
    assert len(cutter._remembered) == 10
