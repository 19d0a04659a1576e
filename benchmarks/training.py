"""``python -m benchmarks.training``: examples a second of fine-tuning beside transformers' ``Trainer``.

A BERT of base size with random weights learns the entities of real sentences. Both start from the same folder, read the
same sentences as given words, take batches of eight and AdamW; each is a process of its own, in turns, and the first
steps of each are not counted. The ``Trainer`` has ``DataCollatorForTokenClassification``, once with all its defaults,
which compute in float32, and once as fast as its options make it: batches of texts of one length, and bf16 where the
processor has it. The bar is about the second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, has_bf16

BAR = 2.5
DATA = Path(__file__).parents[1] / "tests" / "data" / "zh_gsdsimp.jsonl"
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BATCH, WARM_STEPS = 8, 3
CHILDREN = ("lexel", "trainer at its best", "trainer at its defaults")
LABELS = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")


def main() -> None:
    """Measure, print both rates and their quotient."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.training")
    parser.add_argument("--quick", action="store_true", help="a small model and few steps, to see that it runs")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    steps = 4 if arguments.quick else 12
    if arguments.child:
        folder = Path(arguments.folder)
        is_best = arguments.child == CHILDREN[1]
        rate = _lexel(folder, steps) if arguments.child == CHILDREN[0] else _trainer(folder, steps, is_best=is_best)
        print(json.dumps(rate))
        return
    _compare(quick=arguments.quick, rounds=1 if arguments.quick else 3)


def _compare(*, quick: bool, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _make_model(Path(folder), SMALL if quick else BASE)
        rates: dict[str, list[float]] = {name: [] for name in CHILDREN}
        for _ in range(rounds):
            for name, found in rates.items():
                found.append(_run_child(name, Path(folder), quick=quick))
    machine = describe_machine()
    print(f"{machine.processor}, {machine.cores} cores, load {machine.load_average:.1f}")
    print(", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, found in rates.items():
        print(f"{name:24} {medians[name]:8.2f} examples/s  ({', '.join(f'{rate:.2f}' for rate in found)})")
    mine, best, plain = (medians[name] for name in CHILDREN)
    quotient = mine / best
    verdict = "a small model says nothing of the bar" if quick else "met" if quotient >= BAR else "missed"
    print(f"over the trainer at its best {quotient:.2f}; bar {BAR}: {verdict}")
    print(f"over the trainer at its defaults {mine / plain:.2f}")


def _run_child(name: str, folder: Path, *, quick: bool) -> float:
    command = [sys.executable, "-m", "benchmarks.training", "--child", name, "--folder", str(folder)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(command + ["--quick"] * quick, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-3000:]}")
    rate: float = json.loads(done.stdout.strip().splitlines()[-1])
    return rate


def _make_model(folder: Path, sizes: dict[str, int]) -> None:
    """A bare BERT with random weights, and the characters of the data as its pieces."""
    import torch
    from transformers import BertConfig, BertModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    chars = sorted({char for record in _records() for char in record["text"] if not char.isspace()})
    vocab = [*SPECIALS, *chars]
    torch.manual_seed(0)
    BertModel(BertConfig(**sizes, vocab_size=max(len(vocab), 21128)), add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocab), encoding="utf-8")
    settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


class _Done(Exception):  # noqa: N818
    """Enough steps were seen."""


class _Clock:
    """Times of steps, the first ones left out.

    Attributes:
        times: When each step was done.
    """

    def __init__(self, n_steps: int) -> None:
        self.times: list[float] = []
        self._n_steps = n_steps + WARM_STEPS

    def tick(self) -> bool:
        """A step is done; was it the last?"""
        self.times.append(time.perf_counter())
        return len(self.times) >= self._n_steps

    @property
    def rate(self) -> float:
        """Examples a second."""
        return BATCH * (len(self.times) - WARM_STEPS) / (self.times[-1] - self.times[WARM_STEPS - 1])


def _lexel(folder: Path, n_steps: int) -> float:
    from lexel.training import DataFile, HeadOptions, TrainingOptions, train
    from lexel.training.loop.progress import NoProgress

    clock = _Clock(n_steps)

    class Watch(NoProgress):
        def on_step(self, step: int, loss: float, rate: float) -> None:
            if clock.tick():
                raise _Done

    with tempfile.TemporaryDirectory() as out:
        options = TrainingOptions(
            train=(DataFile(path=str(DATA)),),
            heads={"entities": HeadOptions(task="entities", labels=LABELS)},
            model=str(folder),
            output_dir=out,
        )
        try:
            train(options, progress=Watch())
        except _Done:
            return clock.rate
    raise SystemExit("the data ended before the steps")


def _trainer(folder: Path, n_steps: int, *, is_best: bool) -> float:
    from transformers import (
        AutoModelForTokenClassification,
        BertTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    tokenizer = BertTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(LABELS))
    clock = _Clock(n_steps)

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_training_stop = clock.tick()

    with tempfile.TemporaryDirectory() as out:
        fast = {"train_sampling_strategy": "group_by_length", "bf16": has_bf16(), "use_cpu": True} if is_best else {}
        arguments = TrainingArguments(out, report_to=[], save_strategy="no", disable_tqdm=True, **fast)
        trainer = Trainer(
            model,
            arguments,
            data_collator=DataCollatorForTokenClassification(tokenizer),
            train_dataset=list(_encoded(tokenizer)),
            callbacks=[Watch()],
        )
        trainer.train()
    return clock.rate


def _encoded(tokenizer: Any) -> Iterator[dict[str, list[int]]]:
    """Sentences as the documentation of token classification has them: pieces of given words, labels at the first."""
    index = {label: i for i, label in enumerate(LABELS)}
    for record in _records():
        words = [record["text"][start:end] for start, end in record["words"]]
        tags = ["O"] * len(words)
        for start, end, label in record["entities"] or ():
            inside = [i for i, (a, b) in enumerate(record["words"]) if a >= start and b <= end]
            for k, i in enumerate(inside):
                tags[i] = f"{'B' if k == 0 else 'I'}-{label}"
        ids, labels = [], []
        for word, tag in zip(words, tags, strict=True):
            pieces = tokenizer.convert_tokens_to_ids(list(word.strip())) or [tokenizer.unk_token_id]
            ids += pieces
            labels += [index[tag]] + [-100] * (len(pieces) - 1)
        ids = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
        yield {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [-100, *labels, -100]}


if __name__ == "__main__":
    main()
