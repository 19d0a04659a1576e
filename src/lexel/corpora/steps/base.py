"""The base class of steps: options that can be stored, and a pure function on the records of a shard.

A step gets all records of a shard and returns those to keep. It depends only on its options, its models, the records
and ``Shard.random``, so the same shard always gives the same output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, NamedTuple

from lexel.data.records import Record
from lexel.errors import DataError, LexelError


class Fault(NamedTuple):
    """A record that could not be read.

    Attributes:
        place: Its line or row, from 1.
        reason: The error.
    """

    place: int
    reason: str


@dataclass(slots=True)
class Shard:
    """The shard that a step works on, and the step's reports.

    Attributes:
        number: Its number in the job, from 0.
        random: Random numbers that depend only on the job's seed, the step and the shard.
        counts: Counts by topic: ``counts["entities"]["PER"] += 1``. Topics are shown in the status.
        audit: Redactions without the originals, one JSON object each.
        faults: Records that could not be read; used if the job continues after errors.
        stops_at_faults: Whether the first fault ends the job.
    """

    number: int
    random: Random
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    stops_at_faults: bool = True

    def count(self, topic: str, names: Iterable[str]) -> None:
        """Count names under a topic."""
        self.counts.setdefault(topic, Counter()).update(names)

    def fault(self, record: Record, error: BaseException) -> None:
        """Drop a record that a step cannot read.

        Raises:
            DataError: If the job stops at such records.
        """
        if not isinstance(error, LexelError):
            raise error
        if self.stops_at_faults:
            raise DataError(f"line {record.place}: {error}; skip such records with --on-error skip") from error
        self.faults.append(Fault(record.place, str(error)))

    def sound(self, records: Sequence[Record], results: Iterable[Any]) -> list[tuple[Record, Any]]:
        """Records with their results; those whose result is an error are dropped as faults."""
        pairs: list[tuple[Record, Any]] = []
        for record, result in zip(records, results, strict=True):
            if isinstance(result, Exception):
                self.fault(record, result)
            else:
                pairs.append((record, result))
        return pairs


Apply = Callable[[list[Record], Shard], list[Record]]
"""The function of a step: takes the records of a shard, and returns those to keep."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Computing options of a step.

    Attributes:
        threads: Number of threads for a model; ``None`` is all cores.
        engine: Name of the engine.
        precision: Its precision.
        device: Its device.
    """

    threads: int | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None

    @property
    def loading(self) -> dict[str, Any]:
        """The same as options for ``load``."""
        names = ("threads", "engine", "precision", "device")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Step:
    """A step with its options, which are the fields of a subclass.

    ``start`` is called once in each worker, and the function that it returns once for each shard.
    """

    name: ClassVar[str]
    """The name of the step in a recipe."""
    is_model_step: ClassVar[bool] = False
    """Whether it runs a model, so that it should not run twice."""

    def start(self, machine: Machine) -> Apply:
        """Load the step's resources, and return its function."""
        raise NotImplementedError

    def models(self) -> Sequence[str | None]:
        """The checkpoints that it uses; ``None`` is the bundled model."""
        return ()

    def files(self) -> Sequence[str]:
        """The files that its results depend on."""
        return ()

    def packages(self) -> Sequence[str]:
        """The libraries that its results depend on."""
        return ()

    def secrets(self) -> dict[str, str]:
        """Fingerprints of keys, which a plan stores in place of the keys."""
        return {}


@dataclass(frozen=True)
class CorpusStep(Step):
    """A step that needs to see the whole corpus first.

    Every shard is read twice. In the first pass, ``start_collecting`` gives the function that collects data from its
    records. Then ``settle`` decides for all shards together, and ``start_settled`` applies the decision in the second
    pass.
    """

    def start_collecting(self, machine: Machine) -> Callable[[list[Record], Shard], bytes]:
        """Return a function that collects data from the records of a shard, as bytes."""
        raise NotImplementedError

    def settle(self, collected: Sequence[Callable[[], bytes]]) -> list[bytes]:
        """Turn the collected data of all shards, in order, into a decision for each shard."""
        raise NotImplementedError

    def start_settled(self, machine: Machine) -> Callable[[list[Record], Shard, bytes], list[Record]]:
        """Return the step's function, given the decision for the shard."""
        raise NotImplementedError


def texts_of(records: Iterable[Record]) -> list[str]:
    """The texts of records."""
    return [record.text for record in records]
