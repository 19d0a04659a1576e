"""Make the bundled Chinese model: one command from open corpora to the finished folder.

    python recipes/zh/make.py --corpora DIR --out DIR [--work DIR] [--fast]

``DIR`` holds ``raw/<name>.txt[.xz]``, a paragraph a line, and ``labelled/<set>/<split>.jsonl``. The stages, each of
which goes on where it stopped:

1. ``prepare.py``: silver words and tags by jieba over the raw text, the vocabulary;
2. ``pretrain.yaml``: from random weights, masked characters and silver labels;
3. ``finetune.yaml``: gold words, tags and entities, which gives a teacher;
4. ``relabel.py``: the raw text as the teacher reads it;
5. ``selftrain.yaml``: masked characters and the teacher's labels, gold among them;
6. ``finetune.yaml`` again, which gives the model;
7. its scores calibrated on the development sets, and its figures measured with that.

``--fast`` is the same chain at a size of minutes; its model is poor.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import prepare
import relabel
import yaml

from lexel.cards import write_card
from lexel.cards.measuring import CardData, add_reports
from lexel.data.labelled import DataOptions, open_labelled
from lexel.evaluation.calibrate import calibrate_folder
from lexel.evaluation.verify.claimed_data import Labelled

HERE = Path(__file__).parent
PIECES = 7168
VARIED = 0.03
"""Times an epoch reads each of the four varied copies: an eighth of all sentences."""

TREEBANKS = ("zh_gsdsimp", "zh_gsd")
RELABELLED = 30_000
"""Most documents of a raw file that the teacher reads."""

GOLD_AMONG_SILVER = 5
SCRIPT_BORDER = 4.0
"""Bonus for a word's begin where the script changes: the least that is best on both development sets (4 to 7 are)."""

TRANSCRIPTS = 0.15
"""Times an epoch reads the transcripts in each script."""

# The C library gives large blocks back to the system after every operation, and each step then pays for fresh pages:
# a fifth of the time.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
FAST = {
    "pretrain": {"max_steps": 60, "save_steps": 30, "logging_steps": 20, "warmup_steps": 10},
    "selftrain": {"max_steps": 40, "save_steps": 20, "logging_steps": 20, "warmup_steps": 10},
    "finetune": {"max_steps": 40, "warmup_steps": 10, "eval_strategy": "no"},
}
FAST_CONFIG = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
GOLD_LICENCE = "CC BY-SA 4.0"

log = logging.getLogger("recipe")


def make(corpora: Path, out: Path, *, work: Path, processes: int, fast: bool) -> None:
    """Run the stages.

    Args:
        corpora: Where the corpora are.
        out: The finished folder.
        work: Intermediate results.
        processes: Processes that label and train.
        fast: A small model, a part of the text, few steps.
    """
    sources = yaml.safe_load((HERE / "sources.yaml").read_text(encoding="utf-8"))
    if fast:
        sources = {name: source for name, source in sources.items() if raw_file(corpora, name).exists()}
    silver, gold, tokenizer = work / "silver", work / "gold", work / "tokenizer"
    prepare.write_silver(corpora, silver, list(sources), processes=processes, limit=200 if fast else None)
    prepare.write_tokenizer(silver, tokenizer, n_pieces=PIECES)
    prepare.write_gold(corpora, gold)
    train("pretrain", pretraining(sources, silver, tokenizer, fast=fast), work=work, processes=processes)
    teacher = finetuning(corpora, gold, work / "pretrain", keeps_heads=False, fast=fast)
    train("teacher", teacher, work=work, processes=processes)
    relabel.relabel(work / "teacher", silver, work / "relabelled", names=list(sources), limit=RELABELLED)
    train("selftrain", selftraining(corpora, sources, work, fast=fast), work=work, processes=processes)
    model = finetuning(corpora, gold, work / "selftrain", keeps_heads=True, fast=fast)
    train("finetune", model, work=work, processes=processes)
    shutil.copytree(work / "finetune", out, dirs_exist_ok=True)
    calibrate(corpora / "labelled", out)
    write_card(out, answers=card(sources), replace_foreign=True)
    log.info("made %s", out)


def calibrate(labelled: Path, out: Path) -> None:
    """Calibrate the finished folder on the development sets, and measure it again."""
    files = [labelled / name / "dev.jsonl" for name in (*TREEBANKS, "zh_aishell_ner")]
    options = DataOptions(fold=prepare.FOLD)
    calibrate_folder(
        out, [open_labelled(file, options) for file in files if file.exists()], script_border=SCRIPT_BORDER
    )
    roles = {"dev": "validation", "test": "test"}
    sets = [
        CardData(
            Labelled.at(labelled / name / f"{split}.jsonl"),
            name=name,
            licence=GOLD_LICENCE,
            role=role,
            fold=prepare.FOLD,
        )
        for split, role in roles.items()
        for name in TREEBANKS
    ]
    add_reports(out, sets, command="python recipes/zh/make.py")


def card(sources: dict[str, Any]) -> dict[str, Any]:
    """What the card says that no file knows, every source of the raw text among it."""
    answers: dict[str, Any] = yaml.safe_load((HERE / "card.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| {name} | {source['weight']:g} | {source['source']} | {source['licence']} |"
        for name, source in sources.items()
    ]
    table = "\n".join(["| raw text | times a round reads it | source | licence |", "| --- | ---: | --- | --- |", *rows])
    return answers | {"attribution": f"{(HERE / 'attribution.md').read_text(encoding='utf-8')}\n{table}"}


def raw_file(corpora: Path, name: str) -> Path:
    """Where the raw text of a name is."""
    plain = corpora / "raw" / f"{name}.txt"
    return plain if plain.exists() else plain.with_name(f"{name}.txt.xz")


def pretraining(sources: dict[str, Any], silver: Path, tokenizer: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the pre-training: every file in both scripts, each half as often as the source says."""
    options = _options("pretrain", fast=fast)
    everything = sources | {"gold": {"weight": 5, "licence": GOLD_LICENCE}}
    options["tokenizer"] = str(tokenizer)
    options["train"] = [
        {
            "path": str(silver / f"{name}.{script}.jsonl"),
            "name": f"{name} ({script})",
            "weight": source["weight"] / 2,
            "licence": source["licence"],
        }
        for name, source in everything.items()
        for script in prepare.SCRIPTS
    ]
    return options


def selftraining(corpora: Path, sources: dict[str, Any], work: Path, *, fast: bool) -> dict[str, Any]:
    """The options of the self-training: what the teacher read, in both scripts, and the treebank."""
    options = _options("selftrain", fast=fast)
    options["model"] = str(work / "pretrain")
    options["train"] = [
        {
            "path": str(work / "relabelled" / f"{name}.{script}.jsonl"),
            "name": f"{name} ({script}, as the teacher reads it)",
            "weight": max(1.0, source["weight"] / 2),
            "licence": source["licence"],
        }
        for name, source in sources.items()
        for script in prepare.SCRIPTS
    ]
    for name in TREEBANKS:
        file = _gold_file(corpora / "labelled" / name / "train.jsonl", name)
        options["train"].append(file | {"weight": GOLD_AMONG_SILVER})
    return options


def finetuning(corpora: Path, gold: Path, base: Path, *, keeps_heads: bool, fast: bool) -> dict[str, Any]:
    """The options of the fine-tuning: the treebank in both scripts, varied copies, transcripts."""
    options = _options("finetune", fast=fast)
    options["model"] = str(base)
    if keeps_heads:
        for name, head in options["heads"].items():
            head["from_head"] = name
    labelled = corpora / "labelled"
    sets = {
        split: [_gold_file(labelled / name / f"{split}.jsonl", name) for name in TREEBANKS]
        for split in ("train", "dev", "test")
    }
    varied = [
        {
            "path": str(gold / f"{name}.varied.jsonl"),
            "name": f"{name}, varied",
            "weight": VARIED,
            "licence": GOLD_LICENCE,
        }
        for name in TREEBANKS
    ]
    transcripts = [
        {
            "path": str(gold / f"zh_aishell_ner.{script}.jsonl"),
            "name": f"zh_aishell_ner ({script})",
            "weight": TRANSCRIPTS,
            "licence": "Apache-2.0",
        }
        for script in prepare.SCRIPTS
    ]
    return options | {"train": sets["train"] + varied + transcripts, "validation": sets["dev"], "test": sets["test"]}


def _gold_file(path: Path, name: str) -> dict[str, Any]:
    return {"path": str(path), "name": name, "licence": GOLD_LICENCE, "fold": prepare.FOLD}


def _options(stage: str, *, fast: bool) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load((HERE / f"{stage}.yaml").read_text(encoding="utf-8"))
    if fast:
        options |= FAST[stage]
        options["config"] |= FAST_CONFIG if stage == "pretrain" else {}
    return options


def train(stage: str, options: dict[str, Any], *, work: Path, processes: int) -> None:
    """Write a stage's recipe and train by it, unless its folder is finished."""
    folder, recipe = work / stage, work / f"{stage}.yaml"
    if (folder / "model.safetensors").exists():
        log.info("%s: done before", stage)
        return
    options["output_dir"] = str(folder)
    prepare.write_text(recipe, yaml.safe_dump(options, allow_unicode=True, sort_keys=False))
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    command += ["-m", "lexel", "train", str(recipe)]
    subprocess.run(command, check=True, env=os.environ | ALLOCATOR | {"OMP_NUM_THREADS": "1"})


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with raw/ and labelled/")
    parser.add_argument("--out", type=Path, required=True, help="the finished folder")
    parser.add_argument("--work", type=Path, default=Path("build/zh"), help="intermediate results")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that label and train")
    parser.add_argument("--fast", action="store_true", help="minutes instead of hours, and a poor model")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make(options.corpora, options.out, work=options.work, processes=options.processes, fast=options.fast)


if __name__ == "__main__":
    main()
