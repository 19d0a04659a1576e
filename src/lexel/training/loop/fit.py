"""The training loop: turns options into a finished folder."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexel.engines.choose import available_threads
from lexel.engines.torch_device import memory_for
from lexel.errors import LexelError, OptionError
from lexel.training import checkpoints
from lexel.training.config.options import TrainingOptions
from lexel.training.data.batches import Budget, EpochPlan, Sampler
from lexel.training.data.rows import Batch, Examples, RowBuilder
from lexel.training.distributed import ProcessGroup
from lexel.training.loop.optim import Kinds, schedule
from lexel.training.loop.precision import PRECISIONS, dtype_of
from lexel.training.loop.progress import NoProgress, Progress
from lexel.training.loop.selection import Selection
from lexel.training.loop.stepper import Stepper, StepResult
from lexel.training.loop.teacher import Teacher, TeacherRowBuilder
from lexel.training.loop.trackers import start_trackers
from lexel.training.model.layers import layer_pattern
from lexel.training.objective.losses import Losses, class_weights
from lexel.training.objective.scoring import Scorer, metric_of
from lexel.training.outcome.finish import FEATURES, UNFINISHED, WEIGHTS, clear, write_folder
from lexel.training.outcome.record import environment
from lexel.training.start.identity import check_same, run_identity
from lexel.training.start.lock import exclusive_lock
from lexel.training.start.memory import keep_freed_memory
from lexel.training.start.setup import Setup, build_model, prepare

_LESS_MEMORY = (
    "use a smaller per_device_train_batch_size or batch_pieces with more gradient_accumulation_steps, or "
    "gradient_checkpointing"
)
_logger = logging.getLogger("lexel")

_ASKING_STEPS = 20
"""Number of steps after which the processes agree on whether a timed checkpoint is due."""

_SAVE_SECONDS = 180.0
"""Maximum time between checkpoints; checkpoints do not affect the results."""


class DivergedError(LexelError):
    """The loss is NaN or infinite; the batch is saved in the folder."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        folder: The finished folder.
        table: The figures over the steps.
        best: Step, metric and value of the best weights evaluated.
        unanswered: Facts that the model card lacks; add them with ``lexel card``.
    """

    folder: Path
    table: list[dict[str, Any]]
    best: dict[str, Any] | None
    unanswered: tuple[str, ...] = ()


def train(options: TrainingOptions, *, progress: Progress | None = None) -> TrainingResult:
    """Train a model, or resume a run of the same options that was stopped.

    Raises:
        OptionError: If the output folder has other files or a checkpoint of another run, or the options cross-validate
            (use ``cross_validate``).
        DataError, LabelError, CheckpointError: If data, labels or base model do not match.
        DivergedError: If the loss becomes NaN or infinite.
        EngineError: If another process of the run has ended.
    """
    if options.folds and options.fold_number is None:
        raise OptionError(f"folds: {options.folds} without fold_number; expected one fold, or call cross_validate")
    run = _Run(options, progress or NoProgress())
    with run.process_group.together():
        return run.run()


@dataclass
class _Position:
    """The position of a run: steps taken, and the next step of the epoch."""

    step: int = 0
    epoch: int = 0
    step_of_epoch: int = 0


@dataclass
class _Record:
    """The reports of a run: loss sums since the last row, the table, counts and times."""

    loss_sum: float = 0.0
    loss_n: int = 0
    table: list[dict[str, Any]] = field(default_factory=list)
    examples: int = 0
    pieces: int = 0
    seconds: float = 0.0
    last_loss: float = math.nan
    is_over: bool = False


class _Run:
    """A run in progress."""

    def __init__(self, options: TrainingOptions, progress: Progress) -> None:
        keep_freed_memory()
        self._options = options
        self._accelerator = start_trackers(options, cpu=not torch.cuda.is_available())
        self.process_group = group = ProcessGroup(self._accelerator.state)
        self._progress = progress if group.is_main else NoProgress()
        self._folder = Path(options.output_dir)
        self._threads = options.threads or max(1, available_threads() // (group.size if group.shares_memory else 1))
        torch.set_num_threads(self._threads)
        self._dtype = dtype_of(options, group.device)
        self._position = _Position()
        self._record = _Record()

    def run(self) -> TrainingResult:
        """Train to the end."""
        self._check_folder()
        lock = exclusive_lock(self._folder / FEATURES / "lock") if self.process_group.is_main else nullcontext()
        with lock:
            setup = self._setup = prepare(
                self._options, process_group=self.process_group, cache=self._folder / FEATURES
            )
            if self.process_group.is_main:
                for note in setup.notes:
                    _logger.info("%s", note)
            self._selection = Selection(metric_of(setup.heads, self._options.metric_for_best_model), self._options)
            with memory_for("training", self.process_group.device, advice=_LESS_MEMORY):
                self._build(setup)
                resumed = self._resume()
                self._progress.on_start(self._n_steps, done=self._position.step if resumed else 0)
                self._loop()
                return self._finish()

    # Before ----------------------------------------------------------------------------------------------------------

    def _check_folder(self) -> None:
        if (self._folder / WEIGHTS).exists():
            raise OptionError(
                f"{self._folder}: has a finished model, which is not overwritten. "
                "Choose another output folder (-o, output_dir)"
            )
        if self._folder.exists() and not self._folder.is_dir():
            raise OptionError(
                f"{self._folder}: is a file; expected a folder to create. Choose another output folder (-o, output_dir)"
            )
        names = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()
        strange = sorted(names - {checkpoints.FOLDER, FEATURES})
        if strange and UNFINISHED not in names:  # with it, they are files of a folder that was being finished
            raise OptionError(
                f"{self._folder}: has {', '.join(strange[:5])}, which training did not write; expected an empty folder "
                "or the folder of the same run"
            )
        self._folder.mkdir(parents=True, exist_ok=True)

    def _build(self, setup: Setup) -> None:
        options, group = self._options, self.process_group
        model = self._model = build_model(setup)
        teacher = (
            None if setup.teacher is None else Teacher(setup, setup.teacher, device=group.device, dtype=self._dtype)
        )
        if teacher is not None:
            teacher.prepare(model)
        if group.is_main:  # writes the label columns, which the other processes then read
            setup.examples("train")
        group.barrier()
        examples = self._examples = setup.examples("train")
        self._class_weights = class_weights(setup.heads, options.class_weights, examples)
        self._losses = Losses(
            setup.heads,
            smoothing=options.label_smoothing_factor,
            class_weights=self._class_weights,
            focal_gamma=options.focal_gamma,
            distill=None if teacher is None else options.distill,
        )
        self._stepper = Stepper(
            model,
            self._losses,
            options,
            dtype=self._dtype,
            kinds=Kinds(options, n_layers=setup.config.num_hidden_layers, layers=layer_pattern(setup.family)),
            process_group=group,
        )
        self._sampler = Sampler(
            examples.lengths,
            examples.groups,
            [file.weight for file in options.train],
            budget=Budget.of(options, n_processes=group.size, max_length=setup.max_length),
            seed=options.seed,
        )
        builder = self._builder_of(examples, unknown=options.unknown_piece_probability)
        self._builder = builder if teacher is None else TeacherRowBuilder(builder, teacher, device=group.device)
        self._n_steps = self._count_steps()
        self._rate = schedule(options, n_steps=self._n_steps)
        self._scorer = self._build_scorer() if setup.is_evaluated else None

    def _builder_of(self, examples: Examples, *, unknown: float = 0.0) -> RowBuilder:
        setup = self._setup
        return RowBuilder(
            examples,
            setup.heads,
            special=setup.tokenizer.special,
            vocab_size=setup.config.vocab_size,
            unknown_probability=unknown,
        )

    def _build_scorer(self) -> Scorer:
        setup = self._setup
        examples = setup.examples("validation")
        longest = setup.max_length
        pieces = max(longest, self._options.batch_pieces or self._options.per_device_eval_batch_size * longest)
        return Scorer(
            examples,
            self._builder_of(examples),
            setup.heads,
            Losses(setup.heads, class_weights=self._class_weights, focal_gamma=self._options.focal_gamma),
            max_length=longest,
            batch_pieces=pieces,
            process_group=self.process_group,
            metric=self._selection.metric,
        )

    def _count_steps(self) -> int:
        """Steps of the whole run."""
        options, steps, epoch = self._options, 0, 0
        if options.max_steps > 0 and self._sampler.plan(0).n_steps:
            return options.max_steps
        while options.max_steps < 0 and epoch < options.num_train_epochs:
            steps += math.ceil(self._sampler.plan(epoch).n_steps * min(1.0, options.num_train_epochs - epoch))
            epoch += 1
        if not steps:
            raise OptionError(
                "train: the files have nothing to learn from for these heads; expected labelled documents"
            )
        return steps

    # The loop --------------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        began, saved = time.perf_counter(), time.perf_counter()
        spent = self._record.seconds
        self._model.train()
        position = self._position
        is_over = position.step >= self._n_steps or self._record.is_over
        upcoming = None if is_over else self._next_parts()
        while upcoming is not None:
            parts, totals, at_epoch_end = upcoming
            self._step(parts, totals)
            self._record.seconds = spent + time.perf_counter() - began
            self._progress.on_step(
                position.step, self._record.last_loss, self._record.examples / max(self._record.seconds, 1e-9)
            )
            stops = self._after_step(at_epoch_end)
            is_over = self._record.is_over = stops or position.step >= self._n_steps
            if self._saves_at(position.step, at_epoch_end, is_over=is_over, seconds=time.perf_counter() - saved):
                self._save_checkpoint()
                saved = time.perf_counter()
            upcoming = None if is_over else self._next_parts()

    def _next_parts(self) -> tuple[list[Batch | None], list[float], bool]:
        """This process's batches of the next step, the totals of the losses, and whether the step ends an epoch."""
        position, group = self._position, self.process_group
        plan: EpochPlan = self._sampler.plan(position.epoch)
        step, epoch = position.step_of_epoch, position.epoch
        parts: list[Batch | None] = []
        for k in range(self._options.gradient_accumulation_steps):
            number = k * group.size + group.rank
            rows = plan.part(step, number)
            random = np.random.default_rng([self._options.seed, epoch, step, number])
            parts.append(self._builder.build(rows, random) if rows else None)
        own = np.sum([self._losses.totals(part) for part in parts], axis=0).tolist()
        counts = [float(sum(len(p.members) for p in parts if p)), float(sum(p.n_pieces for p in parts if p))]
        *totals, examples, pieces = group.sum([*own, *counts])
        self._record.examples += int(examples)
        self._record.pieces += int(pieces)
        position.step_of_epoch += 1
        is_last = position.step_of_epoch >= plan.n_steps
        if is_last:
            position.epoch, position.step_of_epoch = position.epoch + 1, 0
        return parts, totals, is_last

    def _step(self, parts: list[Batch | None], totals: list[float]) -> None:
        rate = self._options.learning_rate * self._rate(self._position.step)
        result = self._stepper.step(parts, totals, rate=rate)
        if result.has_diverged:
            self._stop_diverged(parts, result)
        self._position.step += 1
        self._record.loss_sum += result.loss
        self._record.loss_n += 1
        self._record.last_loss = result.loss

    def _stop_diverged(self, parts: list[Batch | None], result: StepResult) -> None:
        """Save the batch, and stop."""
        step = self._position.step + 1
        path = self._folder / checkpoints.FOLDER / f"diverged-step-{step}-process-{self.process_group.rank}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = [None if p is None else {"ids": p.ids, "positions": p.positions, "sequences": p.sequences,
                   "labels": {name: target.labels for name, target in p.targets.items()}} for p in parts]  # fmt: skip
        found = {"step": step, "losses": dict(result.losses), "norm": result.norm, "batches": batches}
        checkpoints.save_tensors(found, path)
        raise DivergedError(
            f"{self._folder}: step {step}: the loss is {found['losses']}, the norm of the gradients {result.norm}; "
            f"expected numbers. The batch is saved in {path.name}; earlier checkpoints are unchanged. Lower "
            "learning_rate, add warmup_steps, or turn bf16 or fp16 off"
        )

    # After a step ----------------------------------------------------------------------------------------------------

    def _after_step(self, at_epoch_end: bool) -> bool:
        """Report and evaluate when it is due; returns whether to stop early."""
        step, options = self._position.step, self._options
        last = step >= self._n_steps
        logs = step % options.logging_steps == 0
        evaluates = self._scorer is not None and (
            (options.eval_strategy == "epoch" and (at_epoch_end or last))
            or (
                options.eval_strategy == "steps" and (step % (options.eval_steps or options.logging_steps) == 0 or last)
            )
        )
        if not (logs or evaluates or last):
            return False
        row = self._row()
        if evaluates:
            row |= self._evaluate()
        self._record.table.append(row)
        self._progress.on_evaluation(row)
        self._accelerator.log({k: v for k, v in row.items() if k != "step" and v is not None}, step=step)
        return evaluates and self._selection.wants_stop

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

    def _evaluate(self) -> dict[str, float]:
        assert self._scorer is not None
        with self._stepper.with_average():
            figures: dict[str, float] = self._scorer.measure(self._model)
        self._selection.add(figures, step=self._position.step, weights=self._stepper.best_guess)
        return figures

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def _saves_at(self, step: int, at_epoch_end: bool, *, is_over: bool, seconds: float) -> bool:
        """Whether a checkpoint is due: by the options, by time, or after the last step."""
        strategy = self._options.save_strategy
        if strategy == "no":
            return False
        if is_over or (at_epoch_end if strategy == "epoch" else step % self._options.save_steps == 0):
            return True
        if step % _ASKING_STEPS:
            return False
        return self.process_group.sum([float(self.process_group.is_main and seconds > _SAVE_SECONDS)])[0] > 0

    def _identity(self) -> dict[str, Any]:
        precision = PRECISIONS[self._dtype]
        return run_identity(self._setup, self.process_group, threads=self._threads, precision=precision)

    def _save_checkpoint(self) -> None:
        selection = self._selection
        path = checkpoints.write_checkpoint(
            self._folder,
            step=self._position.step,
            run={
                "identity": self._identity(),
                "position": dataclasses.asdict(self._position),
                "record": dataclasses.asdict(self._record),
                "selection": {"best": selection.best, "n_worse": selection.n_worse},
            },
            shared=self._stepper.shared_state() | {"best": selection.weights},
            own=self._stepper.own_state(),
            process_group=self.process_group,
        )
        if self.process_group.is_main:
            checkpoints.remove_old(self._folder, keep=self._options.save_total_limit or 2)
        self._progress.on_save(path)

    def _resume(self) -> bool:
        """Continue from the last checkpoint, if there is one."""
        steps = checkpoints.steps_there(self._folder)
        if not steps:
            return False
        run = checkpoints.read_run(self._folder, steps[-1])
        with checkpoints.restoring(self._folder, steps[-1]):
            check_same(run["identity"], self._identity(), folder=self._folder)
            shared, own = checkpoints.read_checkpoint(self._folder, steps[-1], process_group=self.process_group)
            self._position = _Position(**run["position"])
            self._record = _Record(**run["record"])
            self._selection = dataclasses.replace(self._selection, **run["selection"], weights=shared["best"])
            self._stepper.load(shared, own)
        self.process_group.barrier()
        return True

    # The end ---------------------------------------------------------------------------------------------------------

    def _finish(self) -> TrainingResult:
        weights = self._stepper.best_guess
        if self._selection.weights is not None:
            weights = self._selection.weights.to(self.process_group.device)
        unanswered = self._write(weights) if self.process_group.is_main else ()
        self.process_group.barrier()
        self._accelerator.end_training()
        return TrainingResult(self._folder, self._record.table, self._selection.best, unanswered)

    def _write(self, weights: torch.Tensor) -> tuple[str, ...]:
        self._stepper.flat_weights.release(weights)
        self._model.maps = None  # maps to the teacher's hidden size, useless without the teacher
        examples = self._setup.examples("validation" if self._setup.is_evaluated else "train")
        unanswered = write_folder(
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
        return unanswered

    def _outcome(self) -> dict[str, Any]:
        """The results of the run, for ``training.json``."""
        record = self._record
        seconds = max(record.seconds, 1e-9)
        return {
            "steps": self._position.step,
            "epochs": record.table[-1]["epoch"] if record.table else 0.0,
            "seconds": round(record.seconds, 1),
            "examples": record.examples,
            "examples_per_second": round(record.examples / seconds, 2),
            "pieces_per_second": round(record.pieces / seconds, 1),
            "windows": len(self._examples),
            "table": record.table,
            "best": self._selection.best,
            "environment": environment(
                threads=self._threads, processes=self.process_group.size, precision=PRECISIONS[self._dtype]
            ),
        }
