"""What is learnt from what: heads from their annotated sentences, long documents to the last label, files by weight."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lexel.errors import CheckpointError, LabelError, OptionError
from lexel.tasks.gold import IGNORE
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.data.batches import Budget, Sampler
from lexel.training.distributed import ProcessGroup
from lexel.training.loop import fit
from lexel.training.loop.fit import DivergedError
from lexel.training.loop.optim import average_decay
from lexel.training.loop.progress import NoProgress
from lexel.training.model.model import MultiHead
from lexel.training.start.setup import Setup, prepare
from tests.training import runs


def prepared(options: TrainingOptions) -> Setup:
    from accelerate import PartialState

    return prepare(
        options, process_group=ProcessGroup(PartialState(cpu=True)), cache=Path(options.output_dir) / "features"
    )


def trained_head(folder: Path, name: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    return {key: value for key, value in tensors.items() if key.startswith(f"heads.{name}.")}


def test_a_sentence_without_a_layer_trains_the_other_heads_only(tmp_path: Path) -> None:
    bare = runs.sentences(tmp_path / "bare.jsonl", entities=None)
    files = (DataFile(path=str(bare)),)
    heads = {**runs.HEADS, "entities": HeadOptions(task="entities", labels=("O", "B-PER", "I-PER"))}
    for name, steps in (("short", 1), ("long", 8)):
        train(runs.options(tmp_path, train=files, heads=heads, max_steps=steps, output_dir=str(tmp_path / name)))
    unseen, learnt = (
        [
            np.array_equal(a, b)
            for a, b in zip(*(trained_head(tmp_path / run, head).values() for run in ("short", "long")), strict=True)
        ]
        for head in ("entities", "words")
    )
    assert unseen == [True, True]
    assert learnt == [False, False]


def test_every_label_of_a_long_document_is_learnt_in_one_window(tmp_path: Path) -> None:
    records = [
        json.loads(line) for line in (runs.DATA / "zh_gsdsimp.jsonl").read_text(encoding="utf-8").splitlines()[:20]
    ]
    text, words, pos = "", [], []
    for record in records:
        words += [[start + len(text), end + len(text)] for start, end in record["words"]]
        pos += record["pos"]
        text += record["text"]
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"text": text, "words": words, "pos": pos}) + "\n", encoding="utf-8")
    heads = {"words": HeadOptions(task="words"), "pos": HeadOptions(task="pos")}
    setup = prepared(runs.options(tmp_path, train=(DataFile(path=str(path)),), heads=heads))
    examples = setup.examples("train")
    gathered = examples.gather(np.arange(len(examples)))
    assert len(examples) > 5
    assert (gathered.labels["pos"] != IGNORE).sum() == len(words)
    assert (gathered.labels["words"] == 0).sum() == len(words)
    assert gathered.decided.sum() == len(text)


def test_labels_outside_a_heads_set_are_all_listed_with_counts_and_places(tmp_path: Path) -> None:
    heads = {"pos": HeadOptions(task="pos", labels=("NOUN", "VERB"))}
    with pytest.raises(
        LabelError, match=r"heads\.pos: labels that the head does not have: .*ADV \(\d+, first in record \d+ of .*PUNCT"
    ):
        train(runs.options(tmp_path, heads=heads))


def test_a_loss_that_is_no_number_stops_with_its_step_and_batch_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))
    plain = MultiHead.forward

    def spoilt(self: MultiHead, batch: object) -> dict[str, torch.Tensor]:
        factor = torch.nan if next(calls) == 4 else 1.0
        return {name: scores * factor for name, scores in plain(self, batch).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(MultiHead, "forward", spoilt)
    with pytest.raises(DivergedError, match="step 5"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=2))
    kept = torch.load(tmp_path / "out" / "checkpoints" / "diverged-step-5-process-0.pt")
    assert kept["step"] == 5
    assert kept["batches"][0]["ids"].numel() > 0
    assert (tmp_path / "out" / "checkpoints" / "step-4").is_dir()


def test_a_disk_that_is_full_leaves_earlier_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = fit.checkpoints.save_tensors, iter(range(100))

    def refusing(values: dict[str, object], path: Path) -> None:
        if next(calls) >= 2:
            raise OSError(28, "No space left on device")
        save(values, path)

    monkeypatch.setattr(fit.checkpoints, "save_tensors", refusing)
    with pytest.raises(CheckpointError, match=r"\(No space left on device\)"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=2))
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-2"]
    monkeypatch.setattr(fit.checkpoints, "save_tensors", save)
    assert train(runs.options(tmp_path, save_strategy="steps", save_steps=2)).folder.joinpath("config.json").exists()


@pytest.mark.parametrize(("weight", "times"), [(3.0, {3}), (0.5, {0, 1}), (1.25, {1, 2})])
def test_an_epoch_reads_a_file_as_often_as_its_weight_says(weight: float, times: set[int]) -> None:
    lengths = np.random.default_rng(0).integers(4, 60, 80)
    budget = Budget(pieces=256, sequences=8, n_parts=2, packing=True, by_length=False, max_length=64)
    sampler = Sampler(lengths, [0, 40, 80], [1.0, weight], budget=budget, seed=1)
    read = np.bincount(sampler.plan(0).sequences, minlength=80)
    assert set(read[:40].tolist()) == {1}
    assert set(read[40:].tolist()) == times
    assert read[40:].sum() == weight * 40
    assert not np.array_equal(sampler.plan(1).sequences, sampler.plan(0).sequences)


@pytest.mark.parametrize("packing", [True, False])
def test_no_part_of_a_step_is_larger_than_its_budget(packing: bool) -> None:
    lengths = np.random.default_rng(0).integers(4, 60, 500)
    budget = Budget(pieces=256, sequences=8, n_parts=2, packing=packing, by_length=False, max_length=64)
    plan = Sampler(lengths, [0, 500], [1.0], budget=budget, seed=1).plan(0)
    for step in range(plan.n_steps):
        for part in range(2):
            rows = plan.part(step, part)
            assert sum(length for length, _ in rows) <= 256
            assert all(lengths[members].sum() <= length for length, members in rows)


def test_measuring_holds_out_the_same_documents_each_time_and_trains_on_the_others(tmp_path: Path) -> None:
    setup = prepared(runs.options(tmp_path, dev_fraction=0.25))
    train_, held = setup.examples("train"), setup.examples("validation")
    texts = setup.files["train"][0].column("texts")
    ours, theirs = (set(texts[e._files[0].windows.text].tolist()) for e in (train_, held))
    assert not ours & theirs
    assert len(ours) + len(theirs) == len(set(texts.tolist()))
    assert theirs


def test_weights_averaged_over_a_few_steps_are_near_the_weights_not_near_where_they_began(tmp_path: Path) -> None:
    tensors = {}
    for name, decay, steps in (("began", None, 1), ("plain", None, 24), ("averaged", 0.9999, 24)):
        changes = {"learning_rate": 1e-12} if name == "began" else {"lr_scheduler_type": "constant"}
        train(
            runs.options(tmp_path, ema_decay=decay, max_steps=steps, output_dir=str(tmp_path / name), **changes)  # type: ignore[arg-type]
        )
        tensors[name] = trained_head(tmp_path / name, "words")["heads.words.weight"]
    moved = np.linalg.norm(tensors["plain"] - tensors["began"])
    assert np.linalg.norm(tensors["averaged"] - tensors["plain"]) < 0.5 * moved


def test_an_average_forgets_faster_at_first_and_then_as_asked() -> None:
    assert average_decay(0.999, n_steps=1) == pytest.approx(2 / 11)
    assert average_decay(0.999, n_steps=10**6) == 0.999


def test_a_metric_that_measuring_does_not_give_is_refused_before_the_first_step(tmp_path: Path) -> None:
    dev = (DataFile(path=str(runs.sentences(tmp_path / "dev.jsonl", n=4))),)
    with pytest.raises(OptionError, match=r"metric_for_best_model: 'pos/f1'; expected one of .*pos/accuracy.*words/f1"):
        train(runs.options(tmp_path, validation=dev, eval_strategy="epoch", metric_for_best_model="pos/f1"))
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_files_with_nothing_to_learn_from_are_refused(tmp_path: Path) -> None:
    bare = runs.sentences(tmp_path / "bare.jsonl", words=None, pos=None, entities=None)
    heads = {"words": HeadOptions(task="words")}
    with pytest.raises(OptionError, match="nothing to learn from for these heads"):
        train(runs.options(tmp_path, train=(DataFile(path=str(bare)),), heads=heads, max_steps=2))


def test_a_classifier_of_very_many_labels_counts_their_weights() -> None:
    from lexel.training.data.heads import TrainedHead
    from lexel.training.data.rows import Batch, Target
    from lexel.training.objective.losses import Losses

    head = TrainedHead("topic", HeadOptions(task="classify"), tuple(map(str, range(2000))))
    weights = torch.linspace(0.5, 2.0, 2000)
    scores, labels = torch.randn(4, 2000, generator=torch.manual_seed(0)), torch.tensor([3, 1999, 7, 40])
    empty = torch.zeros(1, 4, dtype=torch.int64)
    batch = Batch(empty, empty, empty, empty, {"topic": Target(torch.arange(4), labels)})
    losses = Losses([head], class_weights={"topic": weights})
    found = losses.of({"topic": scores}, batch, losses.totals(batch))["topic"]
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(scores, labels, weight=weights))


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    dev = (DataFile(path=str(runs.sentences(tmp_path / "dev.jsonl", n=10))),)
    changes = {
        "validation": dev,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "early_stopping_patience": 2,
        "max_steps": 60,
    }
    result = train(runs.options(tmp_path, **changes, learning_rate=1e-9), progress=NoProgress())
    assert result.best is not None
    assert result.table[-1]["step"] < 60
    assert result.best["step"] < result.table[-1]["step"]
