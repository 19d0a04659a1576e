"""A job: every record once, and a folder that goes on with the job that was begun in it, and with no other."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from lexel.corpora import JobOptions, read_status, run_corpus, verify_corpus
from lexel.corpora.plan import build_plan
from lexel.corpora.runners.base import answer_of
from lexel.corpora.steps import Length, Shard, Step, Tag
from lexel.corpora.steps.base import Apply, Machine
from lexel.corpora.worker import Job, Worker, read_shard
from lexel.data.records import Record, SliceReader
from lexel.data.records import write_records as save_records
from lexel.errors import DataError, EngineError, LexelError, OptionError
from tests.corpora.conftest import lines_of, write_records

SMALL = JobOptions(shard_records=4, engine="numpy")


class _Noted(Step):
    """Writes its shards down, and fails at one."""

    name = "noted"
    fails_at: int | None = None
    dies_at: int | None = None
    made: str = ""

    def start(self, machine: Machine) -> Apply:
        def apply(records: list[Record], shard: Shard) -> list[Record]:
            Path(self.made, f"{shard.number}").touch()
            if shard.number == self.fails_at:
                raise DataError("line 1: no good")
            if shard.number == self.dies_at:
                os._exit(9)
            return records

        return apply


def noted(folder: Path, **fails: Any) -> _Noted:
    folder.mkdir(exist_ok=True)
    step = _Noted()
    for name, value in {**fails, "made": str(folder)}.items():
        object.__setattr__(step, name, value)
    return step


def test_every_record_comes_out_once_and_in_order_with_its_columns(corpus: Path, tmp_path: Path) -> None:
    outcome = run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=2)
    assert lines_of(tmp_path / "out") == [{"id": f"r{n}", "text": f"我在中国{n}", "n": n} for n in range(25)]
    assert (outcome.shards, outcome.made, outcome.records_in, outcome.records_out) == (7, 7, 25, 25)


def test_tagging_a_corpus_finds_what_the_tagger_finds(corpus: Path, model: Path, tmp_path: Path) -> None:
    from lexel.tasks.tag import Tagger

    run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Tag(str(model))], options=SMALL, workers=1)
    found = Tagger.load(str(model), engine="numpy")("我在中国7")
    assert lines_of(tmp_path / "out")[7]["words"] == [[word.start, word.end] for word in found.words]
    assert lines_of(tmp_path / "out")[7]["pos"] == found.words.pos


def test_the_same_call_makes_nothing_again(corpus: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run_corpus([str(corpus)], out, steps=[noted(tmp_path / "made")], options=SMALL, workers=1)
    shutil.rmtree(tmp_path / "made")
    outcome = run_corpus([str(corpus)], out, steps=[noted(tmp_path / "made")], options=SMALL, workers=1)
    assert (outcome.made, outcome.records_out) == (0, 25)
    assert os.listdir(tmp_path / "made") == []


def test_a_run_goes_on_where_an_error_stopped_it(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"in\.jsonl: line 1: no good"):
        run_corpus([str(corpus)], str(out), steps=[noted(tmp_path / "made", fails_at=3)], options=SMALL, workers=1)
    whole = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    assert sorted(whole) == [f"part-00000{n}.jsonl" for n in range(3)]
    assert read_status(str(out))["state"] == "failed"
    outcome = run_corpus([str(corpus)], str(out), steps=[noted(tmp_path / "made")], options=SMALL, workers=1)
    assert outcome.made == 4
    assert {name: (out / "data" / name).read_bytes() for name in whole} == whole
    assert verify_corpus(str(out)).is_whole


def test_a_shard_that_kills_its_worker_three_times_ends_the_run_by_name(corpus: Path, tmp_path: Path) -> None:
    steps = [noted(tmp_path / "made", dies_at=2)]
    with pytest.raises(
        EngineError, match=r"in\.jsonl, 4 records from place 9 on: 3 workers died on it \(exit status 9\)"
    ):
        run_corpus([str(corpus)], str(tmp_path / "out"), steps=steps, options=SMALL, workers=1)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an option": ({"options": JobOptions(shard_records=5)}, "shard_records is 5, the plan has 4"),
    "a step's option": (
        {"steps": [Length(least=3)]},
        r"step 1 \(length\): options: least is 3, the plan has not there",
    ),
    "the steps": ({"steps": [Length(), Length(least=2)]}, r'the list of steps is \["length", "length"\]'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_plan_is_refused_by_name(corpus: Path, tmp_path: Path, change: str) -> None:
    usual = {"steps": [Length()], "options": JobOptions(shard_records=4), "workers": 1}
    out = tmp_path / "out"
    run_corpus([str(corpus)], str(out), **usual)
    before = (out / "plan.json").read_bytes()
    changed, said = CHANGES[change]
    with pytest.raises(DataError, match=said):
        run_corpus([str(corpus)], str(out), **usual | changed)
    assert (out / "plan.json").read_bytes() == before


def test_a_changed_input_is_refused_by_name(corpus: Path, tmp_path: Path) -> None:
    run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("中国", "台灣"), encoding="utf-8")
    with pytest.raises(DataError, match=r"in\.jsonl: sha256 is .*\.\.\., the plan has"):
        run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)


def test_a_vanished_input_is_named_and_what_is_whole_stays(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_corpus([str(corpus)], str(out), steps=[Length()], options=SMALL, workers=1)
    corpus.unlink()
    with pytest.raises(DataError, match=r"in\.jsonl: is missing; expected the input of the plan"):
        run_corpus([str(corpus)], str(out), steps=[Length()], options=SMALL, workers=1)
    assert len(lines_of(out)) == 25


def test_a_changed_model_is_refused_by_name(corpus: Path, model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", str(tmp_path / "out")
    shutil.copytree(model, folder)
    steps = [Tag(str(folder))]
    run_corpus([str(corpus)], out, steps=steps, options=SMALL, workers=1)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(DataError, match=r"step 1 \(tag\): models: .*model is .*, the plan has"):
        run_corpus([str(corpus)], out, steps=steps, options=SMALL, workers=1)


def test_a_touched_input_is_compared_and_taken(corpus: Path, tmp_path: Path) -> None:
    run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)
    os.utime(corpus, (1, 1))
    assert run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1).made == 0


def test_a_second_run_at_the_same_time_is_refused(corpus: Path, tmp_path: Path) -> None:
    from lexel.corpora.store import open_store

    store = open_store(tmp_path / "out")
    with store.locked(), pytest.raises(DataError, match="out: another run uses it"):
        run_corpus([str(corpus)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)
    assert not store.is_held


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"in\.jsonl:2: not JSON"),
        ("[1]", r"in\.jsonl:2: found a JSON list; expected an object with 'text'"),
        ('{"body": "a"}', r"in\.jsonl:2: no 'text'.* name its column with --text-column \(body\)"),
        ('{"text": 3}', r"in\.jsonl:2: 'text' is a number"),
        ('{"text": "ab", "words": [[0, 5]]}', r"in\.jsonl:2: words"),
    ],
)
def test_a_bad_record_is_an_error_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"text": "a"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DataError, match=said):
        run_corpus([str(path)], str(tmp_path / "out"), steps=[Length()], workers=1)


def test_bad_records_are_written_aside_with_line_and_reason(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_text('{"text": "a"}\n{\n\n{"text": "b"}\n', encoding="utf-8")
    run_corpus([str(path)], str(out), steps=[Length()], options=JobOptions(on_error="file"), workers=1)
    assert [one["text"] for one in lines_of(out)] == ["a", "b"]
    (aside,) = (out / "faults").iterdir()
    told = json.loads(aside.read_text(encoding="utf-8"))
    assert (told["file"], told["number"]) == (str(path), 2)
    assert "in.jsonl:2: not JSON" in told["reason"]
    verdict = verify_corpus(str(out))
    assert (verdict.is_whole, verdict.tally.faulty, verdict.tally.blank) == (True, 1, 1)


def test_a_byte_that_is_not_text_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("好\n".encode() * 5 + b"\xb5\n")
    with pytest.raises(DataError, match=r"in\.txt:6: byte 0xb5 at column 1; expected UTF-8; pass --encoding"):
        run_corpus([str(path)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)


def test_lines_of_text_are_records_blank_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("\ufeff一\r\n\n三".encode())
    run_corpus([str(path)], str(tmp_path / "out"), steps=[Length(least=0)], options=SMALL, workers=1)
    assert [one["text"] for one in lines_of(tmp_path / "out")] == ["一", "", "三"]


def test_no_inputs_and_the_same_input_twice_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="a job needs inputs"):
        run_corpus([], str(tmp_path / "out"), steps=[Length()])
    with pytest.raises(OptionError, match=r"in\.jsonl: is given twice"):
        run_corpus([str(corpus), str(corpus)], str(tmp_path / "out"), steps=[Length()])


def _change(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"r5", b"r6"))


DAMAGE = {
    "a changed record": (lambda out: _change(out / "data/part-000001.jsonl"), r"part-000001\.jsonl: has changed"),
    "a lost file": (lambda out: (out / "data/part-000001.jsonl").unlink(), r"part-000001\.jsonl: is missing"),
    "a strange file": (lambda out: (out / "data/part-9.jsonl.bak").touch(), r"is not a file of the job"),
    "a torn record": (
        lambda out: (out / "shards/part-000001.json").write_text("{"),
        r"part-000001\.json: cannot be read",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds(corpus: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    run_corpus([str(corpus)], str(out), steps=[Length()], options=SMALL, workers=1)
    assert verify_corpus(str(out)).is_whole
    do, said = DAMAGE[damage]
    do(out)
    verdict = verify_corpus(str(out))
    assert not verdict.is_whole
    assert re.search(said, "\n".join(verdict.problems))


def test_a_damaged_shard_is_made_again_once_it_is_removed(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_corpus([str(corpus)], str(out), steps=[Length()], options=SMALL, workers=1)
    (out / "data/part-000001.jsonl").unlink()
    assert run_corpus([str(corpus)], str(out), steps=[Length()], options=SMALL, workers=1).made == 1
    assert verify_corpus(str(out)).is_whole


def test_a_folder_without_a_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(LexelError, match=r"no plan\.json; expected the folder of a job"):
        read_status(str(tmp_path))


def test_columns_that_are_kept(tmp_path: Path) -> None:
    path = write_records(tmp_path / "in.jsonl", [{"body": "a", "key": 7, "x": 1, "y": 2}])
    for keep, kept in (("all", {"x": 1, "y": 2}), ("none", {}), (("y",), {"y": 2})):
        options = JobOptions(text_column="body", id_column="key", keep=keep)
        out = tmp_path / f"out-{keep}"
        run_corpus([str(path)], str(out), steps=[Length()], options=options, workers=1)
        assert lines_of(out) == [{"id": "7", "text": "a", **kept}]


ROWS = [{"nr": f"r{n}", "body": f'我在"中国",\n{n}', "n": n} for n in range(25)]


def _written(path: Path) -> Path:
    if path.name == "in.json":
        path.write_text(json.dumps(ROWS, indent=1, ensure_ascii=False), encoding="utf-8")
    else:
        fields = ({key: value for key, value in row.items() if key != "body"} for row in ROWS)
        records = (Record(row["body"], None, None, rest) for row, rest in zip(ROWS, fields, strict=True))
        save_records(records, path)
    return path


@pytest.mark.parametrize(
    "name",
    ["in.json", "in.csv", "in.csv.zst", "in.parquet", "in.jsonl", "in.jsonl.gz", "in.jsonl.bz2", "in.jsonl.xz"],
)
def test_every_kind_of_file_goes_in_and_every_record_comes_out_once(tmp_path: Path, name: str) -> None:
    path, text = _written(tmp_path / name), "body" if name == "in.json" else "text"
    options = JobOptions(shard_records=4, text_column=text, id_column="nr")
    out = tmp_path / "out"
    outcome = run_corpus([str(path)], str(out), steps=[Length()], options=options, workers=1)
    found = [(one["id"], one["text"], int(one["n"])) for one in lines_of(out)]
    assert found == [(row["nr"], row["body"], row["n"]) for row in ROWS]
    assert (outcome.shards, outcome.records_in) == (7, 25)
    assert verify_corpus(str(out)).is_whole


def test_a_table_in_tsv_goes_in(tmp_path: Path) -> None:
    path = tmp_path / "in.tsv"
    path.write_text("text\tn\na\t1\n\nb\t2\n", encoding="utf-8")
    run_corpus([str(path)], str(tmp_path / "out"), steps=[Length()], options=SMALL, workers=1)
    assert [(one["text"], one["n"]) for one in lines_of(tmp_path / "out")] == [("a", "1"), ("b", "2")]
    assert verify_corpus(str(tmp_path / "out")).tally.blank == 1


def test_an_input_that_changes_between_plan_and_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("a\nb\nc\n", encoding="utf-8")
    plan = build_plan([str(path)], [Length()], options=JobOptions())
    path.write_text("a\nb c\n", encoding="utf-8")
    said = r"in\.txt: 2 records from place 1 on, the plan has 3; expected the file that was planned"
    with closing(SliceReader()) as reader, pytest.raises(DataError, match=said):
        read_shard(plan.shard(0), Job(plan, (), str(tmp_path)), reader)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (DataError("in.txt:3: bad"), "DataError('in.txt:3: bad')"),
        (OSError(28, "No space left on device", "out"), "OSError(28, 'No space left on device')"),
        (KeyError("ours"), "RuntimeError(\"shard 7: KeyError: 'ours'\")"),
    ],
)
def test_a_fault_in_a_worker_is_not_taken_for_bad_data(fault: Exception, said: str) -> None:
    class Faulty:
        def make(self, shard: int) -> dict[str, Any]:
            raise fault

    assert repr(answer_of(cast(Worker, Faulty()), 7)) == said
