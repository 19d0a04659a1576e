"""What a step is: options that can be written down, and a pure function on the records of a shard.

A step gets all records of a shard and gives back those that go on. What it does depends on its options, its models,
the records and ``Shard.random`` alone, so the same shard gives the same output wherever and whenever it is computed.
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
        reason: What is wrong with it.
    """

    place: int
    reason: str


@dataclass(slots=True)
class Shard:
    """The shard that a step works on, and what it tells of its work.

    Attributes:
        number: Which shard of the job, from 0.
        random: Random numbers that depend on the job's seed, the step and the shard alone.
        counts: What was found, by topic: ``counts["entities"]["PER"] += 1``. Topics are shown in the status.
        audit: What was redacted, without the originals, a JSON object each.
        faults: Records that could not be read; used if the job goes on at errors.
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
        """Leave out a record that a step cannot read.

        Raises:
            DataError: If the job stops at such records.
        """
        if not isinstance(error, LexelError | TypeError | ValueError):
            raise error
        if self.stops_at_faults:
            raise DataError(f"line {record.place}: {error}; skip such records with --on-error skip") from error
        self.faults.append(Fault(record.place, str(error)))

    def sound(self, records: Sequence[Record], results: Iterable[Any]) -> list[tuple[Record, Any]]:
        """Records with their results; those whose result is an error are left out as faults."""
        pairs: list[tuple[Record, Any]] = []
        for record, result in zip(records, results, strict=True):
            if isinstance(result, Exception):
                self.fault(record, result)
            else:
                pairs.append((record, result))
        return pairs


Apply = Callable[[list[Record], Shard], list[Record]]
"""What a step does: the records of a shard in, those that go on out."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a step may use on the machine that it runs on.

    Attributes:
        threads: How many threads a model may compute with; ``None`` is all cores.
        engine: Name of the engine.
        precision: What it computes in.
        device: What it computes on.
    """

    threads: int | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None

    @property
    def loading(self) -> dict[str, Any]:
        """The same as what every ``load`` takes."""
        names = ("threads", "engine", "precision", "device")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Step:
    """One step with its options, which are the fields of a subclass.

    ``start`` is called once in each worker, and what it gives once for each shard.
    """

    name: ClassVar[str]
    """What a recipe calls the step."""
    is_model_step: ClassVar[bool] = False
    """Whether it computes with a model, so that it should run once and not twice."""

    def start(self, machine: Machine) -> Apply:
        """Load what the step needs, and give what it does."""
        raise NotImplementedError

    def models(self) -> Sequence[str | None]:
        """The checkpoints that it reads with; ``None`` is the bundled model."""
        return ()

    def files(self) -> Sequence[str]:
        """The files that it reads, whose change changes its results."""
        return ()

    def packages(self) -> Sequence[str]:
        """The libraries that its results depend on."""
        return ()

    def secrets(self) -> dict[str, str]:
        """Fingerprints of keys, which a plan holds in place of the keys."""
        return {}


@dataclass(frozen=True)
class CorpusStep(Step):
    """A step that has to see the whole corpus first.

    Every shard is read twice. The first time ``start_collecting`` says what is to be known of its records, ``settle``
    decides for all shards together, and the second time ``start_settled`` does it.
    """

    def start_collecting(self, machine: Machine) -> Callable[[list[Record], Shard], bytes]:
        """Give what is to be known of the records of a shard, as bytes."""
        raise NotImplementedError

    def settle(self, collected: Sequence[Callable[[], bytes]]) -> list[bytes]:
        """Decide: from what was collected of each shard, in order, to what each shard needs to know."""
        raise NotImplementedError

    def start_settled(self, machine: Machine) -> Callable[[list[Record], Shard, bytes], list[Record]]:
        """Give what the step does, with what was decided for the shard."""
        raise NotImplementedError


def texts_of(records: Iterable[Record]) -> list[str]:
    """The texts of records."""
    return [record.text for record in records]
