"""A head that scores spans: its loss by brute force, what windows teach it, and training end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.data.jsonl import read_jsonl
from lexel.decoding.pointers import span_scores as decoding_scores
from lexel.errors import LabelError, OptionError
from lexel.evaluation.scores.run import evaluate
from lexel.pointers import PointerForm
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions
from lexel.training.data.examples import GoldSpans
from lexel.training.data.rows import SpanTargets
from lexel.training.model.pointer import PointerHead, span_scores
from lexel.training.objective.spans import count_found, spans_loss
from tests.training import runs

FORMS = [
    PointerForm(size=4),
    PointerForm(size=4, rotary=False),
    PointerForm("efficient-global-pointer", 4),
    PointerForm("efficient-global-pointer", 4, layout="pairs"),
]


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_those_of_decoding(form: PointerForm) -> None:
    torch.manual_seed(0)
    outputs = PointerHead(6, 3, form=form, dropout=0.0).double()(torch.randn(7, 6, dtype=torch.float64)).detach()
    expected = decoding_scores(outputs.numpy(), form, n_labels=3)
    assert span_scores(outputs, form, n_labels=3).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_loss_is_that_of_the_definition() -> None:
    torch.manual_seed(0)
    form, outputs = FORMS[0], torch.randn(9, FORMS[0].width(2))
    decided = np.triu(np.ones((5, 5), np.bool_))
    decided[0, 4] = False
    gold = [
        GoldSpans(np.array([(0, 0, 1), (0, 0, 0), (1, 2, 3)]), is_known=True),
        GoldSpans(np.array([(1, 1, 4), (5, 0, 0)]), is_known=True, decided=decided),  # a label that the head lacks
    ]
    targets = SpanTargets(gold, [0, 4, 9])
    expected = 0.0
    for one, (start, end) in zip(gold, [(0, 4), (4, 9)], strict=True):
        scores = span_scores(outputs[start:end], form, n_labels=2).numpy()
        right = {tuple(row) for row in one.rows.tolist()}
        for label in (0, 1):
            pairs = [(i, j) for i in range(end - start) for j in range(i, end - start)]
            pairs = [(i, j) for i, j in pairs if one.decided is None or one.decided[i, j]]
            above = sum(np.exp(scores[label, i, j]) for i, j in pairs if (label, i, j) not in right)
            below = sum(np.exp(-scores[label, i, j]) for i, j in pairs if (label, i, j) in right)
            expected += (np.log(1 + above) + np.log(1 + below)) / 2
    assert float(spans_loss(outputs, targets, form, n_labels=2)) == pytest.approx(expected, rel=1e-5)


def test_texts_without_annotation_cost_nothing() -> None:
    outputs = torch.randn(4, FORMS[0].width(2))
    targets = SpanTargets([GoldSpans(np.zeros((0, 3), np.int64), is_known=False)], [0, 4])
    assert float(spans_loss(outputs, targets, FORMS[0], n_labels=2)) == 0
    assert count_found(outputs, targets, FORMS[0], n_labels=2, n_gold_labels=2).sum() == 0


def test_found_spans_are_counted_by_label() -> None:
    outputs = torch.randn(4, FORMS[0].width(2))
    scores = span_scores(outputs, FORMS[0], n_labels=2).numpy()
    found = [(k, i, j) for k in (0, 1) for i in range(4) for j in range(i, 4) if scores[k, i, j] > 0]
    rows = np.array([*found[:2], (2, 0, 0)])
    counts = count_found(
        outputs, SpanTargets([GoldSpans(rows, is_known=True)], [0, 4]), FORMS[0], n_labels=2, n_gold_labels=3
    )
    assert counts.sum(0).tolist() == [3, len(found), 2]
    assert counts[2].tolist() == [1, 0, 0]


# End to end ----------------------------------------------------------------------------------------------------------

CITIES = ["北京", "上海", "台北", "天津"]
KINDS = [("大學", "ORG"), ("銀行", "ORG"), ("路", "LOC")]


def nested_records(*, key: str = "entities", n_parts: int = 1) -> list[dict[str, object]]:
    """Sentences with names inside of names: ``北京大學`` is an ORG and holds the LOC ``北京``."""
    records: list[dict[str, object]] = []
    for number, (city, other, (tail, label)) in enumerate((c, o, k) for c in CITIES for o in CITIES for k in KINDS):
        text, spans = "", []
        for _ in range(n_parts):
            at = len(text)
            text += f"他在{city}{tail}說{other}很大。"
            end, there = at + 2 + len(city) + len(tail), at + 3 + len(city) + len(tail)
            spans += [[at + 2, end, label], [at + 2, at + 2 + len(city), "LOC"], [there, there + len(other), "LOC"]]
        records.append({"id": str(number), "text": text, key: spans})
    return records


def write_records(path: Path, records: list[dict[str, object]]) -> DataFile:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return DataFile(path=str(path))


def spans_head(**changes: object) -> dict[str, HeadOptions]:
    return {"spans": HeadOptions(task="spans", pointer_size=16, **changes)}  # type: ignore[arg-type]


@pytest.mark.parametrize(("pointer", "steps"), [("global-pointer", 60), ("efficient-global-pointer", 150)])
def test_nested_entities_are_learnt_and_found_by_the_saved_folder(tmp_path: Path, pointer: str, steps: int) -> None:
    file = write_records(tmp_path / "train.jsonl", nested_records())
    heads = spans_head(pointer=pointer)
    result = train(
        runs.options(
            tmp_path, train=(file,), validation=(file,), heads=heads, max_steps=steps, learning_rate=5e-3, seed=1,
            eval_strategy="epoch",
        )
    )  # fmt: skip
    checkpoint = open_checkpoint(result.folder)
    assert checkpoint.heads["spans"].pointer == PointerForm(pointer, 16)  # type: ignore[arg-type]
    nlp = lexel.load(result.folder, engine="openvino", precision="float32")
    results = evaluate(nlp, read_jsonl(file.path))
    assert results.nested is not None
    assert results.nested.spans.micro.f1.value > 0.98
    document = nlp("他在北京大學說上海很大。")
    assert [(span.text, span.label) for span in document.nested][:2] == [("北京大學", "ORG"), ("北京", "LOC")]
    report = json.loads((result.folder / "evaluation.json").read_text("utf-8"))
    assert report["reports"][0]["results"]["nested"]["spans"]["micro"]["f1"]["value"] > 0.98
    assert "nested entities" in (result.folder / "README.md").read_text("utf-8")


def test_a_run_goes_on_from_a_folder_with_its_own_head(tmp_path: Path) -> None:
    file = write_records(tmp_path / "train.jsonl", nested_records()[:6])
    heads = spans_head(pointer="efficient-global-pointer")
    first = train(runs.options(tmp_path, train=(file,), heads=heads, max_steps=2, output_dir=str(tmp_path / "first")))
    again = train(
        runs.options(
            tmp_path, model=str(first.folder), train=(file,), heads={"spans": HeadOptions(task="spans")},
            max_steps=1, learning_rate=1e-9, output_dir=str(tmp_path / "again"),
        )
    )  # fmt: skip
    text = "他在北京大學說上海很大。"
    both = [lexel.load(folder, engine="numpy", min_score=0.01)(text).nested for folder in (first.folder, again.folder)]
    assert len(both[0]) > 0
    assert both[0].scores == pytest.approx(both[1].scores, abs=1e-4)


def test_every_span_of_a_long_text_is_learnt_in_one_window(tmp_path: Path) -> None:
    from lexel.training.data.batches import packed_rows
    from lexel.training.data.rows import RowBuilder
    from tests.training.loop.test_learning import prepared

    records = nested_records(key="nested", n_parts=20)[:5]
    file = write_records(tmp_path / "train.jsonl", records)
    setup = prepared(runs.options(tmp_path, train=(file,), heads=spans_head()))
    examples = setup.examples("train")
    assert len(examples) > 3 * len(records)
    gathered = examples.gather(np.arange(len(examples)))
    seen = sum(len(gold.rows) for gold in gathered.spans["spans"])
    assert seen == sum(len(record["nested"]) for record in records)  # type: ignore[arg-type, misc]
    builder = RowBuilder(examples, setup.heads, special=setup.tokenizer.special, vocab_size=100)
    batch = builder.build(packed_rows(examples.lengths, np.arange(3), max_length=64), None)
    target = batch.targets["spans"]
    assert target.spans is not None
    assert target.slots is not None
    assert len(target.slots) == target.spans.bounds[-1] == batch.n_pieces - 2 * 3


def test_labels_that_mean_no_span_are_refused(tmp_path: Path) -> None:
    file = write_records(tmp_path / "train.jsonl", nested_records()[:3])
    with pytest.raises(LabelError, match=r"heads\.spans\.labels: 'O' is not a span label"):
        train(runs.options(tmp_path, train=(file,), heads=spans_head(labels=("O", "LOC", "ORG"))))


def test_data_without_entities_is_refused(tmp_path: Path) -> None:
    file = write_records(tmp_path / "train.jsonl", [{"text": "他在北京。"}])
    with pytest.raises(LabelError, match=r"heads\.spans: the training data has no nested"):
        train(runs.options(tmp_path, train=(file,), heads=spans_head()))


def test_an_odd_size_with_rotary_positions_is_refused() -> None:
    with pytest.raises(OptionError, match="pointer_size: 5 with rotary positions; expected an even number"):
        HeadOptions(task="spans", pointer_size=5)
