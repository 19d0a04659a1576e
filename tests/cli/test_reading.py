"""What goes in and what comes out: records in order, formats, words that are given, options from variables."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run, one_error

TEXT = "王小明在臺北市。"


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().split("\n")[:-1]]


def test_line_n_of_the_input_is_record_n_of_the_output(lexel: Run) -> None:
    lines = ["王小明在北市。", "", "  他在 家 ", "\u2028我", "x" * 200, "最後一"]
    result = lexel("tag", input="\n".join(lines))
    found = records(result.stdout)
    assert [record["text"] for record in found] == lines
    for record in found:
        words = "".join(record["text"][start:end] for start, end in record["words"])
        assert words == "".join(record["text"].split())
        assert len(record["pos"]) == len(record["words"])


def test_what_was_loaded_is_said_once_and_its_licence_too(lexel: Run, model: Path) -> None:
    said = lexel("tag", input=TEXT).stderr.decode().splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "model",
        "licence not stated",
        "head words",
        "head pos",
        "head entities",
        "pieces",
        "engine",
    ]
    assert str(model) in said[0]
    assert "numpy float64" in said[-1]


def test_a_variable_sets_an_option_and_the_command_line_wins(lexel: Run) -> None:
    text = "😀在家😀我"
    by_variable = lexel("tag", input=text, LEXEL_OFFSETS="utf16", LEXEL_QUIET="1")
    assert by_variable.stderr == b""
    (record,) = records(by_variable.stdout)
    assert record["offset_unit"] == "utf16"
    units = text.encode("utf-16-le")
    assert b"".join(units[2 * start : 2 * end] for start, end in record["words"]) == units
    (record,) = records(lexel("tag", "--offsets", "byte", "-q", input=text, LEXEL_OFFSETS="utf16").stdout)
    assert record["offset_unit"] == "byte"
    assert record["words"][-1][1] == len(text.encode())


def test_segmenting_computes_words_alone(lexel: Run) -> None:
    result = lexel("segment", "-q", input="王小明在臺北市長和你說的人\n\n他來了\n")
    lines = result.stdout.decode().split("\n")
    assert [line.replace(" ", "") for line in lines] == ["王小明在臺北市長和你說的人", "", "他來了", ""]
    assert " " in lines[0]
    (record,) = records(lexel("segment", "--to", "jsonl", input="我在臺北").stdout)
    assert record["pos"] is None
    assert record["entities"] is None


def test_names_and_given_words_go_from_file_to_file(lexel: Run, tmp_path: Path) -> None:
    rows = ["1\t我在\t_\tX\t_\t_\t_\t_\t_\tSpaceAfter=No", "2\t家\t_\tX\t_\t_\t_\t_\t_\tSpaceAfter=No"]
    sentences = ["\n".join([f"# sent_id = s{i}", "# text = 我在家", *rows, "\n"]) for i in range(3)]
    source, out = tmp_path / "in.conllu", tmp_path / "out.conllu"
    source.write_text("".join(sentences), encoding="utf-8")
    kept = lexel("tag", "--given-words", source, "--out", out)
    assert kept.returncode == 0
    said = kept.stderr.decode().splitlines()
    assert [("CoNLL-U" in line, "scores (" in line) for line in said if "not held" in line] == [(True, True)]
    written = out.read_text(encoding="utf-8")
    assert [line.split("\t")[1] for line in written.splitlines() if line[:1].isdigit()] == ["我在", "家"] * 3
    assert [line for line in written.splitlines() if "sent_id" in line] == [f"# sent_id = s{i}" for i in range(3)]
    assert "\tX\t" not in written
    replaced = lexel("tag", source)
    assert [record["id"] for record in records(replaced.stdout)] == ["s0", "s1", "s2"]
    assert "--given-words keeps them" in replaced.stderr.decode()


def test_files_of_several_formats_become_one(lexel: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("我在家\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"id": "b", "text": "他來了"}\n', encoding="utf-8")
    (tmp_path / "c.unknown").write_text("她在\n", encoding="utf-8")
    result = lexel("tag", tmp_path / "a.txt", tmp_path / "b.jsonl", "-", tmp_path / "c.unknown", input="王小明")
    assert [(record["id"], record["text"]) for record in records(result.stdout)] == [
        (None, "我在家"),
        ("b", "他來了"),
        (None, "王小明"),
        (None, "她在"),
    ]


def test_tags_of_the_input_may_be_in_any_scheme(lexel: Run) -> None:
    result = lexel("tag", "--given-words", "--from", "conll", input="我 I-PER\n在 U-LOC\n\n")
    assert records(result.stdout)[0]["words"] == [[0, 1], [1, 2]]


def test_words_stand_apart_in_a_text_file(lexel: Run, tmp_path: Path) -> None:
    assert lexel("segment", "-o", tmp_path / "words.txt", input="王小明在臺北市長").returncode == 0
    assert " " in (tmp_path / "words.txt").read_text(encoding="utf-8")


def test_columns_get_entities_that_cut_words_widened_and_it_is_said(lexel: Run) -> None:
    text = "王小明在臺北市長和你說的人" * 20
    result = lexel("tag", "--to", "conll", input=text)
    assert result.returncode == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.decode().splitlines() if line]
    assert "".join(row[0] for row in rows) == text
    assert {len(row) for row in rows} == {3}
    assert "not held by CoNLL columns: " in result.stderr.decode()


def test_a_model_is_copied_as_safetensors(lexel: Run, model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import load_file

    folder = tmp_path / "old"
    folder.mkdir()
    tensors = load_file(model / "model.safetensors")
    torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, folder / "pytorch_model.bin")
    for name in ("config.json", "lexel.json", "vocab.txt", "tokenizer_config.json"):
        (folder / name).write_bytes((model / name).read_bytes())
    result = lexel("convert", folder, tmp_path / "new")
    assert result.returncode == 0, result.stderr
    again = lexel("tag", "-q", "-m", tmp_path / "new", input=TEXT)
    assert again.stdout == lexel("tag", "-q", input=TEXT).stdout


def test_models_lists_what_loads_without_a_download(lexel: Run, model: Path, tmp_path: Path) -> None:
    commit = "a" * 40
    for owner, type in (("someone", "bert"), ("other", "gpt2")):
        folder = tmp_path / "hub" / f"models--{owner}--tagger-x" / "snapshots" / commit
        folder.mkdir(parents=True)
        for name in ("lexel.json", "model.safetensors"):
            (folder / name).symlink_to(model / name)
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | {"model_type": type}), encoding="utf-8")
        (folder / "README.md").write_text("---\nlicense: gpl-3.0\n---\n", encoding="utf-8")
    result = lexel("models", LEXEL_CACHE=str(tmp_path))
    listed = {record["id"]: record for record in records(result.stdout)}
    found = listed["someone/tagger-x"]
    assert "other/tagger-x" not in listed
    assert (found["commit"], found["licence"]) == (commit, "gpl-3.0")
    assert list(found["heads"]) == ["words", "pos", "entities"]
    assert found["bytes"] > (model / "model.safetensors").stat().st_size
    assert "1 other in it is not of the BERT family" in result.stderr.decode()


def test_a_text_of_another_script_than_the_bundled_model_reads_is_noted(lexel: Run) -> None:
    said = lexel("tag", "-m", "zh", input="The minister said on Monday that talks would resume.").stderr.decode()
    assert "100 % of the letters are Latin letters; the model zh reads Chinese characters." in said


def test_a_text_that_is_partly_of_another_script_is_not_noted(lexel: Run) -> None:
    said = lexel("tag", "-m", "zh", input="王小明在臺北市工作，他喜歡用 iPhone。").stderr.decode()
    assert "of the letters are" not in said


def test_no_note_is_made_for_models_that_are_not_bundled(lexel: Run) -> None:
    said = lexel("tag", input="The minister said on Monday that talks would resume.").stderr.decode()
    assert "of the letters are" not in said


def test_entities_with_low_scores_are_left_out_on_request(lexel: Run) -> None:
    text = "王小明在臺北市工作，他和李大華去上海。" * 3
    found = {
        least: records(lexel("tag", "-m", "zh", "-q", "--min-score", least, input=text).stdout)[0]["entities"]
        for least in ("0", "0.5", "1")
    }
    assert len(found["0"]) >= len(found["0.5"]) > 0
    assert found["1"] == []


def test_grapheme_clusters_stay_whole_on_request(lexel: Run) -> None:
    clusters = ["👩\u200d👩\u200d👧", "👍🏽", "🇹🇼", "e\u0301"]
    text = "".join(clusters * 5)
    edges = set(itertools.accumulate(map(len, clusters * 5), initial=0))
    for command in ("tag", "segment"):
        (record,) = records(lexel(command, "-q", "--snap", "grapheme", "--to", "jsonl", input=text).stdout)
        assert {edge for word in record["words"] for edge in word} <= edges
    assert "--snap" in one_error(lexel("tag", "--snap", "word", input=text), status=2)


def test_entities_of_some_labels_are_left_out_on_request(lexel: Run) -> None:
    text = "王小明在臺北市天下大王我他你們" * 5
    (whole,), (some,) = (
        records(lexel("tag", "-q", *more, input=text).stdout) for more in ((), ("--ignore", "PER, LOC"))
    )
    assert {entity[2] for entity in whole["entities"]} & {"PER", "LOC"}
    assert some["entities"] == [entity for entity in whole["entities"] if entity[2] not in ("PER", "LOC")]
    assert "ignore: label 'X'; expected labels of entities" in one_error(lexel("tag", "--ignore", "X", input=text))
