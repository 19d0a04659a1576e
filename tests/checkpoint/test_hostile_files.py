"""Files of a model folder that would hang, fill the memory or end the process are refused in one clear line."""

from __future__ import annotations

import base64
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import lexel
from lexel.checkpoint.pickles import LARGEST_DIRECTORY, read_bin
from lexel.checkpoint.weights import map_safetensors, open_weights
from lexel.disk import sha256_of
from lexel.errors import CheckpointError, DataError, LabelError, WeightError
from lexel.jsonfile import read_object
from lexel.labels import detect
from lexel.text.tokenizer import load_tokenizer
from lexel.text.tokenizer_rules import check_tokenizer
from tests.builders import ENTITIES, VOCAB, build_tagger, write_byte_level_tokenizer, write_unigram_tokenizer


def tagger(folder: Path) -> Path:
    return build_tagger(folder, heads={"entities": ENTITIES})


# Files that are no regular files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["config.json", "lexel.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_a_folder_in_place_of_a_file_is_refused_at_once(tmp_path: Path, name: str, kind: str) -> None:
    folder = tagger(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name) if kind == "pipe" else (folder / name).mkdir()
    with pytest.raises(CheckpointError, match=rf"{name}: cannot be read \(it is a {kind}\)"):
        lexel.load(folder, engine="numpy")


def test_a_pipe_as_card_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tagger(tmp_path / "model")
    os.mkfifo(folder / "README.md")
    assert lexel.open_checkpoint(folder).card.licence is None
    assert "README.md: cannot be read (it is a pipe), so what it says about the licence is not known" in caplog.text


def test_the_checksum_of_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(DataError, match="it is a pipe"):
        sha256_of(tmp_path / "x")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "\ud800"])
def test_a_name_that_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder|expected owner/name"):
        lexel.open_checkpoint(name)


# JSON ----------------------------------------------------------------------------------------------------------------

BAD_JSON: dict[str, tuple[str, str]] = {
    "digits": ('{"a": ' + "1" * 5000 + "}", "thousands of digits"),
    "half a pair": ('{"a": ["\\ud800"]}', r"U\+D800, half of a surrogate pair"),
    "half a pair as a key": ('{"\\udfff": 1}', r"U\+DFFF, half of a surrogate pair"),
    "deep": ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested more than 64 deep"),
    "many containers": ('{"a": [' + "[]," * 2_100_000 + "1]}", "objects and arrays; expected at most"),
    "twice": ('{"a": 1, "a": 2}', "'a' appears twice"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    text, message = BAD_JSON[case]
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        read_object(tmp_path / "a.json")


def test_brackets_inside_strings_are_no_nesting(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"[" * 100: 1}), encoding="utf-8")
    assert len(read_object(tmp_path / "a.json")) == 1


def test_whole_surrogate_pairs_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": "\\ud83d\\ude00"}', encoding="utf-8")
    assert read_object(tmp_path / "a.json") == {"a": "😀"}


@pytest.mark.parametrize("n_names", [60_000, 200_000])
def test_a_name_that_stands_twice_among_very_many_is_found_fast(tmp_path: Path, n_names: int) -> None:
    (tmp_path / "a.json").write_text("{" + "".join(f'"{i}":0,' for i in range(n_names)) + '"7":1}', encoding="utf-8")
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="'7' appears twice"):
        read_object(tmp_path / "a.json")
    assert time.perf_counter() - start < 5


def test_a_message_is_one_printable_line_of_bounded_length() -> None:
    said = str(CheckpointError("a\x1b[31m\n" + "x" * 3_000_000 + "the end"))
    assert said.startswith("a\\x1b[31m xxx")
    assert said.endswith("xthe end")
    assert len(said) <= 500


# Labels and weights --------------------------------------------------------------------------------------------------


def test_very_many_labels_are_refused_fast() -> None:
    start = time.perf_counter()
    with pytest.raises(LabelError, match="100,000 labels for a tag of each piece; expected at most 4,000"):
        detect([f"B-{i}" for i in range(100_000)])
    assert time.perf_counter() - start < 2


def test_a_missing_tensor_among_very_many_is_named_fast(tmp_path: Path) -> None:
    save_file({f"x{i}." + "yz" * 60: np.zeros(1, np.float32) for i in range(60_000)}, tmp_path / "model.safetensors")
    weights = open_weights(tmp_path)
    start = time.perf_counter()
    with pytest.raises(WeightError, match=r"no tensor 'x\.yzyz.* among 60000"):
        weights.tensor("x." + "yz" * 60, (1,))
    with pytest.raises(WeightError, match="60000 tensors belong to no part"):
        weights.check_used()
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["a\nb", "x" * 501, "\u202ea"])
def test_a_tensor_whose_name_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    save_file({name: np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightError, match="expected a printable name"):
        open_weights(tmp_path)


def test_a_header_of_very_many_empty_arrays_is_refused_before_it_is_built(tmp_path: Path) -> None:
    header = b'{"a":[' + b"[]," * 15_000_000 + b"1]}"
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(WeightError, match="15,000,000 values in 15,000,002 objects and arrays"):
        map_safetensors(tmp_path / "model.safetensors")


# Pickles -------------------------------------------------------------------------------------------------------------


def archive(path: Path, program: bytes, *, method: int = zipfile.ZIP_STORED, order: bytes = b"little") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/byteorder", order, compress_type=method)
    return path


def test_a_compressed_entry_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.bin", pickle.dumps({}), method=zipfile.ZIP_DEFLATED, order=b"\0" * 50_000_000)
    with pytest.raises(WeightError, match="entry 'archive/byteorder' is compressed"):
        read_bin(path)


def test_an_entry_for_a_word_is_not_read_if_it_is_long(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="'archive/byteorder' has 1,000 bytes; expected at most 16"):
        read_bin(archive(tmp_path / "x.bin", pickle.dumps({}, 2), order=b"l" * 1000))


def test_an_archive_with_a_huge_list_of_entries_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.bin", pickle.dumps({}, 2))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rfind(b"PK\5\6") + 12, LARGEST_DIRECTORY + 1)
    path.write_bytes(data)
    with pytest.raises(WeightError, match="list of entries has 16,777,217 bytes"):
        read_bin(path)


PAIRS = b"](" + b"K\x01K\x02\x86" * 20_000 + b"eq\x00"
LOOPS = {
    "steps": b"\x80\x02" + b"K\x01" * 1_000_001 + b".",
    "one list in many calls": b"\x80\x02("
    + PAIRS
    + b"ccollections\nOrderedDict\nq\x01"
    + b"h\x01h\x00\x85R" * 2_000
    + b"t.",
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_pickle_that_would_run_for_very_long_is_stopped(tmp_path: Path, case: str) -> None:
    start = time.perf_counter()
    with pytest.raises(WeightError, match="the pickle takes more than 1,000,000 steps"):
        read_bin(archive(tmp_path / "x.bin", LOOPS[case]))
    assert time.perf_counter() - start < 20


# Tokenizers ----------------------------------------------------------------------------------------------------------


def tokenizer_json(folder: Path, write: Callable[[Path], None] = write_unigram_tokenizer) -> dict[str, Any]:
    write(folder)
    values: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    return values


def charsmap(units: list[int], strings: bytes) -> str:
    return base64.b64encode(struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + strings).decode()


def trie(value: int, *, size: int = 512) -> list[int]:
    """A trie of the one key ``a``, a double array of two blocks."""
    units = [0] * size
    units[0] = 256 << 10
    units[256 ^ ord("a")] = ord("a") | 1 << 8 | 1 << 10
    units[256 ^ ord("a") ^ 1] = 1 << 31 | value
    return units


def regex(pattern: str, *, kind: str = "Split") -> dict[str, Any]:
    more = {"behavior": "Isolated", "invert": False} if kind == "Split" else {"content": "x"}
    return {"type": kind, "pattern": {"Regex": pattern}, **more}


def template(single: list[Any], special: dict[str, Any]) -> dict[str, Any]:
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


SEQUENCE = {"Sequence": {"id": "A", "type_id": 0}}
WORD_PIECE = {"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##", "vocab": {"a": 0}}
BPE = {"type": "BPE", "vocab": {"a": 0, "是": 1, "a是": 2}, "merges": [["a", "是"]], "continuing_subword_prefix": "##"}

BAD_TOKENIZERS: dict[str, tuple[dict[str, Any], str]] = {
    "a regular expression that backtracks": ({"pre_tokenizer": regex("(a+)+$")}, "could run forever"),
    "the same in a sequence": (
        {"normalizer": {"type": "Sequence", "normalizers": [regex("(a|aa)*b", kind="Replace")]}},
        "could run forever",
    ),
    "many options": ({"pre_tokenizer": regex("a?" * 30 + "a" * 30)}, "could run forever"),
    "two endless classes": ({"pre_tokenizer": regex(".*.*x")}, "could run forever"),
    "a reference back": ({"pre_tokenizer": regex(r"(.+)\1")}, "could run forever"),
    "an exploding normaliser": (
        {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"}] * 12,
            }
        },
        "1,000,000,000,000 times as long",
    ),
    "a step of no length": ({"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "of type 'FixedLength'"),
    "a step that is not an object": ({"pre_tokenizer": 5}, "pre_tokenizer is a int"),
    "an empty character map": ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}}, "character map"),
    "a trie that leaves itself": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(trie(0)[:300], b"A\0")}},
        "damaged character map",
    ),
    "a trie whose value is outside": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(trie(99), b"A\0")}},
        "damaged character map",
    ),
    "a template without its special piece": (
        {"post_processor": template([{"SpecialToken": {"id": "[X]", "type_id": 0}}, SEQUENCE], {})},
        "TemplateProcessing does not put",
    ),
    "a template without its text": ({"post_processor": template([], {})}, "TemplateProcessing does not put"),
    "a merge without its prefix": ({"model": BPE}, "does not begin with continuing_subword_prefix"),
    "long words": ({"model": WORD_PIECE | {"max_input_chars_per_word": 2**62}}, "max_input_chars_per_word is"),
    "an index beyond all": ({"model": WORD_PIECE | {"vocab": {"a": 2**40}}}, "piece 'a' has index"),
    "a stripping decoder": (
        {"decoder": {"type": "Strip", "content": "a", "start": 10**9, "stop": 0}},
        "Strip removes more than one",
    ),
}


@pytest.mark.parametrize("case", BAD_TOKENIZERS)
def test_a_tokenizer_that_the_library_cannot_survive_is_refused_by_rule(tmp_path: Path, case: str) -> None:
    changes, message = BAD_TOKENIZERS[case]
    values = tokenizer_json(tmp_path) | changes
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    assert "tokenizer.json" in str(caught.value)


def test_a_panic_of_the_library_is_an_error_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, _ = BAD_TOKENIZERS["an empty character map"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json(tmp_path) | changes), encoding="utf-8")
    monkeypatch.setattr("lexel.text.backend.check_tokenizer", lambda *_: None)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: Precompiled.*Download it again"):
        load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")


GOOD_STEPS: dict[str, dict[str, Any]] = {
    "a sound character map": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(trie(0), b"A\0")}},
    "XLM-R's spaces": {"normalizer": regex(" {2,}", kind="Replace")},
    "GPT-2's words": {
        "pre_tokenizer": regex(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    },
    "digits": {"pre_tokenizer": regex(r"\d")},
    "lines": {"pre_tokenizer": regex(r"(?:\r\n|\n)|[^\n]+")},
}


@pytest.mark.parametrize("case", GOOD_STEPS)
def test_steps_of_published_tokenizers_are_let_through(tmp_path: Path, case: str) -> None:
    values = tokenizer_json(tmp_path) | GOOD_STEPS[case]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert").encode(["a the  new", "是\n"])


def test_a_sound_character_map_is_used(tmp_path: Path) -> None:
    values = tokenizer_json(tmp_path, write_byte_level_tokenizer) | GOOD_STEPS["a sound character map"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    assert tokenizer.strings(tokenizer.encode(["ab"]).ids) == ["A", "b"]


@pytest.mark.parametrize("write", [write_byte_level_tokenizer, write_unigram_tokenizer])
def test_the_builders_tokenizers_keep_the_rules(tmp_path: Path, write: Callable[[Path], None]) -> None:
    check_tokenizer(tokenizer_json(tmp_path, write), "tokenizer.json")


def test_a_vocabulary_of_very_many_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"a\n" * 2_000_001)
    with pytest.raises(CheckpointError, match="2,000,001 pieces; expected at most 2,000,000"):
        load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "vocab.txt", "wb") as file:
        file.truncate(10**10)
    with pytest.raises(CheckpointError, match=r"vocab\.txt: has more than 67,108,864 bytes"):
        load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_lower_case": "yes"}, "do_lower_case is 'yes'; expected true or false"),
        ({"strip_accents": 3}, "strip_accents is 3; expected true or false"),
        ({"additional_special_tokens": 7}, "additional_special_tokens is 7; expected a list"),
        ({"added_tokens_decoder": {"9" * 5000: {"content": "a"}}}, "is not a number"),
    ],
)
def test_settings_of_another_type_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    folder = tagger(tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        lexel.load(folder, engine="numpy")


def test_very_many_added_pieces_are_added_fast(tmp_path: Path) -> None:
    folder = tagger(tmp_path / "model")
    added = {str(len(VOCAB) + i): {"content": f"<{i}>"} for i in range(5_000)}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}), encoding="utf-8")
    start = time.perf_counter()
    load_tokenizer(folder, pieces="tokenizer", model_type="bert")
    assert time.perf_counter() - start < 5


# Pieces beyond the embedding -----------------------------------------------------------------------------------------


def with_added(folder: Path, **more: Any) -> Path:
    tagger(folder)
    settings = {"do_lower_case": True, "added_tokens_decoder": {str(len(VOCAB)): {"content": "<new>"}}, **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_an_added_piece_beyond_the_embedding_fails_only_where_it_occurs(tmp_path: Path) -> None:
    read = lexel.load(with_added(tmp_path / "model"), engine="numpy")
    assert read("天下").text == "天下"
    with pytest.raises(CheckpointError, match="the text holds '<new>', a piece that was added at index"):
        read("天<new>下")


def test_a_special_piece_beyond_the_embedding_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is beyond the embedding"):
        lexel.load(with_added(tmp_path / "model", cls_token="<new>"), engine="numpy")
