"""The training loop: from options to a finished folder."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexel.checkpoint.weights import weight_file
from lexel.disk import sha256_of
from lexel.engines.choose import available_threads, is_bf16_native, processor_flags
from lexel.errors import LexelError, OptionError
from lexel.training import checkpoints
from lexel.training.config.options import TrainingOptions
from lexel.training.data.batches import Budget, EpochPlan, Sampler
from lexel.training.data.rows import Batch, Examples, RowBuilder
from lexel.training.distributed import ProcessGroup
from lexel.training.loop.flat_weights import FlatWeights
from lexel.training.loop.optim import Kinds, Optimizer, schedule
from lexel.training.loop.progress import NoProgress, Progress
from lexel.training.loop.teacher import Teacher, TeacherRowBuilder
from lexel.training.loop.trackers import start_trackers
from lexel.training.model.layers import layer_pattern
from lexel.training.objective.losses import Losses
from lexel.training.objective.scoring import Scorer, metric_of
from lexel.training.outcome.finish import FEATURES, UNFINISHED, WEIGHTS, clear, write_folder
from lexel.training.outcome.record import environment, plain
from lexel.training.start.lock import exclusive_lock
from lexel.training.start.memory import keep_freed_memory
from lexel.training.start.setup import Setup, build_model, prepare

_ASKING_STEPS = 20
"""Every so many steps the processes ask each other whether it is time."""

_SAVE_SECONDS = 180.0
"""A checkpoint is written at least this often; when does not change what is computed."""


class DivergedError(LexelError):
    """The loss is no number any more; the step and its batch are kept in the folder."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run made.

    Attributes:
        folder: The finished folder.
        table: The figures over the steps.
        best: Step, metric and value of the best weights measured.
        asked: What the card does not know; a person can say it with ``lexel card``.
    """

    folder: Path
    table: list[dict[str, Any]]
    best: dict[str, Any] | None
    asked: tuple[str, ...] = ()


def train(options: TrainingOptions, *, progress: Progress | None = None) -> TrainingResult:
    """Train a model, or go on where the same run was stopped.

    Raises:
        OptionError: If the output folder holds something else, or a checkpoint of another run.
        DataError, LabelError, CheckpointError: If data, labels or base model do not fit.
        DivergedError: If the loss is no number any more.
    """
    return _Run(options, progress or NoProgress()).go()


@dataclass
class _Position:
    """Where a run is: steps made, and the step of the epoch that comes next."""

    step: int = 0
    epoch: int = 0
    step_of_epoch: int = 0


@dataclass
class _Record:
    """What a run has seen: loss sums since the last row, the table, the best, times."""

    loss_sum: float = 0.0
    loss_n: int = 0
    table: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    without_better: int = 0
    examples: int = 0
    pieces: int = 0
    seconds: float = 0.0
    last_loss: float = math.nan
    is_over: bool = False


class _Run:
    """One run under way."""

    def __init__(self, options: TrainingOptions, progress: Progress) -> None:
        keep_freed_memory()
        self._options = options
        self._accelerator = start_trackers(options, cpu=not torch.cuda.is_available())
        self._process_group = ProcessGroup(self._accelerator.state)
        self._progress = progress if self._process_group.is_main else NoProgress()
        self._folder = Path(options.output_dir)
        self._threads = options.threads or max(
            1, available_threads() // (self._process_group.size if self._process_group.shares_memory else 1)
        )
        torch.set_num_threads(self._threads)
        self._position = _Position()
        self._record = _Record()
        self._best_weights: torch.Tensor | None = None

    def go(self) -> TrainingResult:
        """Train to the end."""
        self._check_folder()
        with exclusive_lock(self._folder / FEATURES / "lock") if self._process_group.is_main else nullcontext():
            return self._train()

    def _train(self) -> TrainingResult:
        setup = self._setup = prepare(self._options, process_group=self._process_group, cache=self._folder / FEATURES)
        self._best_by = metric_of(setup.heads, self._options.metric_for_best_model)
        self._build(setup)
        resumed = self._resume()
        self._progress.on_start(self._n_steps, done=self._position.step if resumed else 0)
        self._loop()
        return self._finish()

    # Before ----------------------------------------------------------------------------------------------------------

    def _check_folder(self) -> None:
        if (self._folder / WEIGHTS).exists():
            raise OptionError(
                f"{self._folder}: holds a finished model; nothing was overwritten. Choose another output_dir"
            )
        names = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()
        strange = sorted(names - {checkpoints.FOLDER, FEATURES})
        if strange and UNFINISHED not in names:  # with it, they are files of a folder that was being finished
            raise OptionError(
                f"{self._folder}: holds {', '.join(strange[:5])}, which training did not write; expected an empty "
                "folder, or that of the same run"
            )
        self._folder.mkdir(parents=True, exist_ok=True)

    def _build(self, setup: Setup) -> None:
        options, process_group = self._options, self._process_group
        self._model = build_model(setup)
        kinds = Kinds(options, n_layers=setup.config.num_hidden_layers, layers=layer_pattern(setup.family))
        dtype = torch.bfloat16 if self._bf16 else torch.float32
        teacher = (
            None if setup.teacher is None else Teacher(setup, setup.teacher, device=process_group.device, dtype=dtype)
        )
        if teacher is not None:
            teacher.prepare(self._model)
        self._flat_weights = FlatWeights(self._model, order=kinds.order, dtype=dtype, process_group=process_group)
        self._optimizer = Optimizer(self._flat_weights, kinds, options, process_group=process_group)
        if process_group.is_main:  # makes the label columns, which the others then find
            setup.examples("train")
        process_group.barrier()
        self._examples = setup.examples("train")
        self._sampler = Sampler(
            self._examples.lengths,
            self._examples.groups,
            [file.weight for file in options.train],
            budget=Budget(
                pieces=options.batch_pieces,
                sequences=options.per_device_train_batch_size,
                n_parts=process_group.size * options.gradient_accumulation_steps,
                packing=options.packing,
                by_length=options.group_by_length,
                max_length=setup.max_length,
            ),
            seed=options.seed,
        )
        builder = self._builder_of(self._examples, unknown=options.unknown_piece_probability)
        self._builder = builder if teacher is None else TeacherRowBuilder(builder, teacher, device=process_group.device)
        self._losses = Losses(
            setup.heads,
            smoothing=options.label_smoothing_factor,
            class_weights=self._class_weights(),
            distill=None if teacher is None else options.distill,
        )
        self._epoch_ends = self._count_epochs()
        self._n_steps = options.max_steps if options.max_steps > 0 else self._epoch_ends[-1]
        self._rate = schedule(options, n_steps=self._n_steps)
        self._scorer = self._scorer_of("validation")

    @property
    def _bf16(self) -> bool:
        asked = self._options.bf16
        return _has_bf16(self._process_group.device) if asked is None else asked

    def _builder_of(self, examples: Examples, *, unknown: float = 0.0) -> RowBuilder:
        setup = self._setup
        return RowBuilder(
            examples,
            setup.heads,
            special=setup.tokenizer.special,
            vocab_size=setup.config.vocab_size,
            unknown_probability=unknown,
        )

    def _scorer_of(self, role: str) -> Scorer | None:
        setup = self._setup
        if not setup.is_measured:
            return None
        examples = setup.examples(role)
        longest = setup.max_length
        pieces = max(longest, self._options.batch_pieces or self._options.per_device_eval_batch_size * longest)
        return Scorer(
            examples,
            self._builder_of(examples),
            setup.heads,
            Losses(setup.heads, class_weights=self._class_weights()),
            max_length=longest,
            batch_pieces=pieces,
            process_group=self._process_group,
        )

    def _class_weights(self) -> dict[str, torch.Tensor]:
        asked = self._options.class_weights
        weights: dict[str, torch.Tensor] = {}
        for head in self._setup.heads:
            if asked is None or not head.labels or head.options.problem == "regression":
                continue
            if isinstance(asked, str):  # balanced
                totals = self._examples.label_totals(head).astype(np.float32)
                values = totals.sum() / np.maximum(totals, 1) / len(totals)
            else:
                values = np.array([float(asked.get(label, 1.0)) for label in head.labels], np.float32)
            weights[head.name] = torch.from_numpy(values.astype(np.float32))
        return weights

    def _count_epochs(self) -> list[int]:
        """The step at which each epoch ends."""
        options = self._options
        ends, step, epoch = [], 0, 0
        if options.max_steps > 0 and self._sampler.plan(0).n_steps:
            return [options.max_steps]
        while options.max_steps < 0 and epoch < options.num_train_epochs:
            n = self._sampler.plan(epoch).n_steps
            step += math.ceil(n * min(1.0, options.num_train_epochs - epoch))
            ends.append(step)
            epoch += 1
        if not ends or not ends[-1]:
            raise OptionError(
                "train: the files hold nothing to learn from for these heads; expected labelled documents"
            )
        return ends

    # The loop --------------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        began, saved = time.perf_counter(), time.perf_counter()
        spent = self._record.seconds
        self._model.train()
        position = self._position
        nothing = self._position.step >= self._n_steps or self._record.is_over
        upcoming = None if nothing else self._next_parts()
        stop = False
        while upcoming is not None and not stop:
            parts, totals, at_epoch_end = upcoming
            self._step(parts, totals)
            self._record.seconds = spent + time.perf_counter() - began
            self._progress.on_step(
                position.step, self._record.last_loss, self._record.examples / max(self._record.seconds, 1e-9)
            )
            stop = self._after_step(at_epoch_end)
            done = self._record.is_over = stop or position.step >= self._n_steps
            if self._saves_at(position.step, at_epoch_end, done=done, seconds=time.perf_counter() - saved):
                self._save_checkpoint()
                saved = time.perf_counter()
            upcoming = None if done else self._next_parts()

    def _next_parts(self) -> tuple[list[Batch | None], list[float], bool]:
        """This process's parts of the next step, what the losses are means over, and is it an epoch's last?"""
        position, process_group = self._position, self._process_group
        plan: EpochPlan = self._sampler.plan(position.epoch)
        step, epoch = position.step_of_epoch, position.epoch
        parts: list[Batch | None] = []
        for k in range(self._options.gradient_accumulation_steps):
            number = k * process_group.size + process_group.rank
            rows = plan.part(step, number)
            random = np.random.default_rng([self._options.seed, epoch, step, number])
            parts.append(self._builder.build(rows, random) if rows else None)
        own = np.sum([self._losses.totals(part) for part in parts], axis=0).tolist()
        counts = [float(sum(len(p.members) for p in parts if p)), float(sum(p.n_pieces for p in parts if p))]
        *totals, examples, pieces = process_group.sum([*own, *counts])
        self._record.examples += int(examples)
        self._record.pieces += int(pieces)
        position.step_of_epoch += 1
        is_last = position.step_of_epoch >= plan.n_steps
        if is_last:
            position.epoch, position.step_of_epoch = position.epoch + 1, 0
        return parts, totals, is_last

    def _step(self, parts: list[Batch | None], totals: list[float]) -> None:
        """Gradients of this process's parts, then a step by all."""
        values = dict.fromkeys(self._losses.names, 0.0)
        for part in parts:
            if part is None:
                continue
            batch = part.to(self._process_group.device)
            losses = self._losses.of(self._model(batch), batch, totals)
            if losses:
                self._losses.weighted(losses).backward()
            for name, loss in losses.items():
                values[name] += float(loss.detach())
        self._optimizer.ready()
        summed = self._process_group.sum(list(values.values()))
        loss = sum(weight * value for weight, value in zip(self._losses.weights.values(), summed, strict=True))
        rate = self._options.learning_rate * self._rate(self._position.step)
        norm = self._optimizer.step(rate) if math.isfinite(loss) else math.nan
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._stop_diverged(parts, dict(zip(values, summed, strict=True)), norm)
        self._process_group.barrier()
        self._position.step += 1
        self._record.loss_sum += loss
        self._record.loss_n += 1
        self._record.last_loss = loss

    def _stop_diverged(self, parts: list[Batch | None], losses: Mapping[str, float], norm: float) -> None:
        """Keep the batch, and stop."""
        step = self._position.step + 1
        path = self._folder / checkpoints.FOLDER / f"diverged-step-{step}-process-{self._process_group.rank}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = [None if p is None else {"ids": p.ids, "positions": p.positions, "sequences": p.sequences,
                   "labels": {name: target.labels for name, target in p.targets.items()}} for p in parts]  # fmt: skip
        checkpoints.save_tensors({"step": step, "losses": dict(losses), "norm": norm, "batches": batches}, path)
        raise DivergedError(
            f"{self._folder}: step {step}: the loss is {losses}, the gradient's norm {norm}; expected numbers. The "
            f"batch is kept in {path.name}, earlier checkpoints are as they were. Lower learning_rate, add "
            "warmup_steps, or turn bf16 off"
        )

    # After a step ----------------------------------------------------------------------------------------------------

    def _after_step(self, at_epoch_end: bool) -> bool:
        """Log and measure when it is time; is it time to stop early?"""
        step, options = self._position.step, self._options
        last = step >= self._n_steps
        logs = step % options.logging_steps == 0
        measures = self._scorer is not None and (
            (options.eval_strategy == "epoch" and (at_epoch_end or last))
            or (
                options.eval_strategy == "steps" and (step % (options.eval_steps or options.logging_steps) == 0 or last)
            )
        )
        if not (logs or measures or last):
            return False
        row = self._row()
        if measures:
            row |= self._measure()
        self._record.table.append(row)
        self._progress.on_evaluation(row)
        self._accelerator.log({k: v for k, v in row.items() if k != "step" and v is not None}, step=step)
        patience = options.early_stopping_patience
        return measures and patience is not None and self._record.without_better >= patience

    def _row(self) -> dict[str, Any]:
        record, position = self._record, self._position
        plan = self._sampler.plan(position.epoch) if position.step_of_epoch else None
        row = {
            "step": position.step,
            "epoch": round(position.epoch + (position.step_of_epoch / plan.n_steps if plan else 0.0), 4),
            "training_loss": record.loss_sum / record.loss_n if record.loss_n else None,
            "learning_rate": self._options.learning_rate * self._rate(position.step),
        }
        record.loss_sum, record.loss_n = 0.0, 0
        return row

    def _measure(self) -> dict[str, float]:
        assert self._scorer is not None
        with self._averaged():
            figures: dict[str, float] = self._scorer.measure(self._model)
        name, best = self._best_by, self._record.best
        if name not in figures:
            raise OptionError(
                f"metric_for_best_model: {name}; the validation data has no labels for it, only for "
                f"{', '.join(sorted(figures))}"
            )
        value, higher = figures[name], self._higher_is_better(name)
        if best is None or (value > best["value"] if higher else value < best["value"]):
            self._record.best = {"step": self._position.step, "metric": name, "value": value}
            self._record.without_better = 0
            if self._options.load_best_model_at_end:
                self._best_weights = self._weights_to_keep().detach().to("cpu", copy=True)
        else:
            self._record.without_better += 1
        return figures

    def _higher_is_better(self, name: str) -> bool:
        asked = self._options.greater_is_better
        return not name.endswith("loss") if asked is None else asked

    def _weights_to_keep(self) -> torch.Tensor:
        """The averaged weights if there are any, else the weights."""
        average = self._optimizer.average
        return self._flat_weights.master if average is None else average

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the model compute with the averaged weights for a while."""
        average = self._optimizer.average
        if average is None:
            yield
            return
        kept = self._flat_weights.master.clone() if self._flat_weights.work is self._flat_weights.master else None
        self._process_group.barrier()
        if self._process_group.writes_shared:
            self._flat_weights.work.copy_(average)
        self._process_group.barrier()
        yield
        self._process_group.barrier()
        if self._process_group.writes_shared:
            self._flat_weights.work.copy_(self._flat_weights.master if kept is None else kept)
        self._process_group.barrier()

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def _saves_at(self, step: int, at_epoch_end: bool, *, done: bool, seconds: float) -> bool:
        """Is a checkpoint due: by the options, by time, or because the last step is made?"""
        strategy = self._options.save_strategy
        if strategy == "no":
            return False
        if done or (at_epoch_end if strategy == "epoch" else step % self._options.save_steps == 0):
            return True
        if step % _ASKING_STEPS:
            return False
        return self._process_group.sum([float(self._process_group.is_main and seconds > _SAVE_SECONDS)])[0] > 0

    def _identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with this one."""
        values = dataclasses.asdict(self._options)
        for name in (
            "output_dir",
            "report_to",
            "card",
            "save_total_limit",
            "save_strategy",
            "save_steps",
            "save_dtype",
            "test",
        ):
            values.pop(name)
        identity = {name: plain(value) for name, value in values.items()}
        files = self._setup.files
        sums = {role: [features.about["sha256"] for features in files[role]] for role in ("train", "validation")}
        teacher = self._setup.teacher
        if teacher is not None:
            folder = teacher.source.folder
            identity["teacher"] = sha256_of(folder / (weight_file(folder) or "config.json"))
        return identity | {
            "data": sums,
            "processes": self._process_group.size,
            "threads": self._threads,
            "precision": "bf16" if self._bf16 else "float32",
        }

    def _save_checkpoint(self) -> None:
        record = dataclasses.asdict(self._record)
        path = checkpoints.write_checkpoint(
            self._folder,
            step=self._position.step,
            run={"identity": self._identity(), "position": dataclasses.asdict(self._position), "record": record},
            weights={
                "master": self._flat_weights.master,
                "average": self._optimizer.average,
                "best": self._best_weights,
            },
            own={"optimizer": self._optimizer.state(), "generators": checkpoints.generators()},
            process_group=self._process_group,
        )
        if self._process_group.is_main:
            checkpoints.remove_old(self._folder, keep=self._options.save_total_limit or 2)
        self._progress.on_save(path)

    def _resume(self) -> bool:
        steps = checkpoints.steps_there(self._folder)
        if not steps:
            return False
        run = checkpoints.read_run(self._folder, steps[-1])
        checkpoints.check_same(run, self._identity(), folder=self._folder)
        weights, own = checkpoints.read_checkpoint(self._folder, steps[-1], process_group=self._process_group)
        self._position = _Position(**run["position"])
        self._record = _Record(**run["record"])
        self._best_weights = weights["best"]
        if self._process_group.writes_shared:
            self._flat_weights.master.copy_(weights["master"])
            if self._optimizer.average is not None:
                self._optimizer.average.copy_(weights["average"])
            self._flat_weights.refresh(slice(0, self._flat_weights.size))
        self._optimizer.load(own["optimizer"])
        checkpoints.set_generators(own["generators"])
        self._process_group.barrier()
        return True

    # The end ---------------------------------------------------------------------------------------------------------

    def _finish(self) -> TrainingResult:
        keep = self._weights_to_keep()
        if self._best_weights is not None and self._options.load_best_model_at_end:
            keep = self._best_weights.to(self._process_group.device)
        asked = self._write(keep) if self._process_group.is_main else ()
        self._process_group.barrier()
        self._accelerator.end_training()
        return TrainingResult(self._folder, self._record.table, self._record.best, asked)

    def _write(self, weights: torch.Tensor) -> tuple[str, ...]:
        self._flat_weights.release(weights)
        self._model.maps = None  # to a teacher's width: of no use without the teacher
        examples = self._setup.examples("validation" if self._setup.is_measured else "train")
        asked = write_folder(
            self._folder,
            self._model,
            self._setup,
            examples=examples,
            builder=self._builder_of(examples),
            run=self._outcome(),
            n_trained=sum(p.numel() for p in self._model.parameters() if p.requires_grad),
            threads=self._threads,
        )
        clear(self._folder, keep=self._options.save_total_limit or 0)
        self._progress.on_save(self._folder)
        return asked

    def _outcome(self) -> dict[str, Any]:
        """What came of the run, for ``training.json``."""
        record = self._record
        seconds = max(record.seconds, 1e-9)
        precision = "bf16" if self._bf16 else "float32"
        return {
            "steps": self._position.step,
            "epochs": record.table[-1]["epoch"] if record.table else 0.0,
            "seconds": round(record.seconds, 1),
            "examples": record.examples,
            "examples_per_second": round(record.examples / seconds, 2),
            "pieces_per_second": round(record.pieces / seconds, 1),
            "windows": len(self._examples),
            "table": record.table,
            "best": record.best,
            "environment": environment(threads=self._threads, processes=self._process_group.size, precision=precision),
        }


def _has_bf16(device: torch.device) -> bool:
    """Does the machine compute in bf16 natively?"""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return is_bf16_native(processor_flags())
