"""The torch engine's way of keeping a GPU busy, on the processor: segments, loads, threads, several devices, errors."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines import torch_device
from lexel.engines.base import Rows
from lexel.engines.packing import build_rows, pack
from lexel.engines.torch import Plan, TorchEngine, plan_for
from lexel.engines.torch_attention import Segments, attend_in_rows, attend_in_segments, flash_kernel
from lexel.engines.torch_device import Arrival
from lexel.errors import EngineError
from lexel.tasks.base import Flow, gather_blocks
from tests.builders import ENTITIES, RECIPES, WORDS, build_reference, build_tagger, compute, random_sequences

LENGTHS = (9, 30, 16, 4, 64, 21, 7, 50, 64, 60, 33, 58, 1, 2)
N_PIECES = 99
CPU = torch.device("cpu")
THREAD = "lexel-torch-ahead"


def each_alone(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
) -> torch.Tensor:
    """What a kernel of variable length gives, by one product after the other; refuses what a kernel would."""
    assert enable_gqa == (query.shape[1] != key.shape[1])
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert max_q == max_k == int(cu_seq_q.diff().max())
    assert query.shape[0] == int(cu_seq_q[-1])
    parts = []
    for start, end in zip(cu_seq_q[:-1].tolist(), cu_seq_q[1:].tolist(), strict=True):
        q, k, v = (x[start:end].transpose(0, 1) for x in (query, key, value))
        k, v = (x.repeat_interleave(len(q) // len(x), dim=0) for x in (k, v))
        scores = q @ k.transpose(1, 2) * (q.shape[-1] ** -0.5 if scale is None else scale)
        if window_size != (-1, -1):
            away = torch.arange(end - start)[:, None] - torch.arange(end - start)
            scores = scores.masked_fill((away > window_size[0]) | (-away > window_size[1]), -torch.inf)
        parts.append((torch.softmax(scores, dim=-1) @ v).transpose(0, 1))
    return torch.cat(parts)


PLAN = Plan(each_alone, slots=200, ahead=2, in_flight=2)
"""A GPU's plan with loads of a few batches."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("model")
    return open_checkpoint(build_tagger(folder, heads={"words": WORDS, "entities": ENTITIES}))


def engine_of(checkpoint: Checkpoint, plan: Plan | None = PLAN, **options: Any) -> TorchEngine:
    settings = {"precision": "float32", "threads": 1, "device": "cpu", **options}
    return TorchEngine(checkpoint, plan=plan, **settings)


def batches(*, seed: int = 0, lengths: tuple[int, ...] = LENGTHS) -> list[Rows]:
    """Batches of one row each."""
    sequences = random_sequences(lengths, n_pieces=N_PIECES, seed=seed)
    placements = pack(np.diff(sequences.bounds), max_length=64, batch_pieces=1)
    return [build_rows(sequences, placement, pad=0)[0] for placement in placements]


def is_running() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


# Attention -----------------------------------------------------------------------------------------------------------


def test_attention_in_segments_is_attention_in_rows_with_a_mask() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 12, 8) for _ in range(3))
    segments = Segments(torch.tensor([0, 5, 6, 12], dtype=torch.int32), 6)
    number = torch.tensor([0] * 5 + [1] + [2] * 6)
    mask = (number[:, None] == number)[None, None]
    found = attend_in_segments(query, key, value, segments, n_heads=2, kernel=each_alone)
    assert torch.allclose(found, attend_in_rows(query, key, value, mask, n_heads=2), atol=1e-6)


@pytest.mark.parametrize("recipe", ["bert", "roberta", "albert-groups", "electra", "distilbert"])
def test_segments_give_what_rows_give_in_every_family(tmp_path: Path, recipe: str) -> None:
    build_reference(tmp_path, RECIPES[recipe])
    checkpoint = open_checkpoint(tmp_path)
    sequences = random_sequences(LENGTHS, n_types=checkpoint.config.n_types)
    outputs = [*checkpoint.heads, "hidden.0", f"hidden.{checkpoint.config.n_layers}"]
    expected = compute(engine_of(checkpoint, None), sequences, outputs, max_length=64)
    found = compute(engine_of(checkpoint), sequences, outputs, max_length=64)
    for output in outputs:
        assert np.abs(found[output] - expected[output]).max() <= 2e-5, output


def test_in_float32_and_on_the_processor_there_is_no_flash_attention() -> None:
    assert flash_kernel(CPU, torch.bfloat16, head_size=64) is None
    assert flash_kernel(torch.device("cuda"), torch.float32, head_size=64) is None


@pytest.mark.parametrize(("size", "has"), [(64, True), (256, True), (60, False), (264, False)])
def test_flash_attention_is_taken_for_the_sizes_it_has(monkeypatch: pytest.MonkeyPatch, size: int, has: bool) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: True)
    assert (flash_kernel(torch.device("cuda"), torch.bfloat16, head_size=size) is not None) is has


def test_an_older_gpu_gets_rows_with_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    plan = plan_for([torch.device("cuda")], torch.float16, head_size=64, slots=100)
    assert (plan.kernel, plan.ahead, plan.in_flight) == (None, 2, 2)


def test_of_several_gpus_all_must_have_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0) if device.index == 0 else (7, 5))
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: True)
    both = [torch.device("cuda:0"), torch.device("cuda:1")]
    alone, mixed = (plan_for(some, torch.float16, head_size=64, slots=100) for some in (both[:1], both))
    assert alone.kernel is not None
    assert (mixed.kernel, mixed.ahead, mixed.in_flight) == (None, 4, 2)


def test_the_processor_has_no_thread_and_computes_what_it_is_given() -> None:
    assert plan_for([CPU], torch.float32, head_size=64, slots=100) == Plan(None, slots=100, ahead=0, in_flight=1)


# The stream ----------------------------------------------------------------------------------------------------------

PLANS = {
    "segments": PLAN,
    "one load for all": Plan(each_alone, slots=10_000, ahead=1, in_flight=3),
    "rows": Plan(None, slots=1, ahead=2, in_flight=2),
    "no thread": Plan(each_alone, slots=64, ahead=0, in_flight=2),
}


@pytest.mark.parametrize("devices", ["cpu", "cpu,cpu,cpu"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_answers_come_in_the_order_of_the_batches(checkpoint: Checkpoint, plan: Plan, devices: str) -> None:
    expected = [scores["entities"] for scores in engine_of(checkpoint, None).run(batches(), ["entities"])]
    found = [scores["entities"] for scores in engine_of(checkpoint, plan, device=devices).run(batches(), ["entities"])]
    assert len(found) == len(expected) > 6
    assert all(np.allclose(a, b, atol=2e-5) for a, b in zip(found, expected, strict=True))


class Slow:
    """Results that arrive when asked for; how many were under way at most."""

    now = most = 0

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        Slow.now += 1
        Slow.most = max(Slow.most, Slow.now)

    def wait(self) -> Any:
        Slow.now -= 1
        return self.arrival.wait()


@pytest.mark.parametrize(("devices", "most"), [("cpu", 2), ("cpu,cpu", 4)])
def test_two_loads_are_in_flight_on_each_device(checkpoint: Checkpoint, devices: str, most: int) -> None:
    engine = engine_of(checkpoint, Plan(each_alone, slots=64, ahead=2, in_flight=2), device=devices)
    Slow.now = Slow.most = 0
    for worker in engine._workers:
        worker.start = lambda load, outputs, start=worker.start: Slow(start(load, outputs))  # type: ignore[method-assign, misc]
    assert len(list(engine.run(batches(), ["words"]))) == len(batches())
    assert (Slow.now, Slow.most) == (0, most)


def test_loads_are_dealt_out_to_the_devices_in_turn(checkpoint: Checkpoint) -> None:
    engine = engine_of(checkpoint, Plan(None, slots=1, ahead=2, in_flight=2), device="cpu,cpu")
    asked: list[int] = []
    for number, worker in enumerate(engine._workers):
        worker.start = lambda load, outputs, start=worker.start, number=number: (  # type: ignore[method-assign, misc]
            asked.append(number) or start(load, outputs)
        )
    list(engine.run(batches(), ["words"]))
    assert asked == [i % 2 for i in range(len(batches()))]


def test_no_batches_give_no_answers(checkpoint: Checkpoint) -> None:
    assert list(engine_of(checkpoint).run([], ["words"])) == []


def test_the_callers_error_passes_through_and_the_engine_goes_on(checkpoint: Checkpoint) -> None:
    def failing() -> Iterator[Rows]:
        yield from batches()[:2]
        raise RuntimeError("the caller's own")

    engine = engine_of(checkpoint)
    with pytest.raises(RuntimeError, match="the caller's own"):
        list(engine.run(failing(), ["words"]))
    assert not is_running()
    assert len(list(engine.run(batches(), ["words"]))) == len(batches())


def test_a_caller_who_leaves_leaves_no_thread_and_nothing_open(checkpoint: Checkpoint) -> None:
    closed = threading.Event()

    def endless() -> Iterator[Rows]:
        try:
            while True:
                yield from batches()
        finally:
            closed.set()

    answers = engine_of(checkpoint).run(endless(), ["words"])
    next(answers)
    assert is_running()
    del answers
    gc.collect()
    assert not is_running()
    assert closed.is_set()


def test_eight_threads_at_once_each_get_their_own_answers(checkpoint: Checkpoint) -> None:
    engine = engine_of(checkpoint, device="cpu,cpu")

    def run(seed: int) -> list[Any]:
        return [scores["entities"] for scores in engine.run(batches(seed=seed), ["entities"])]

    expected = [run(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert all(
        np.allclose(a, b, atol=1e-6)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_texts_are_tokenised_in_the_thread_and_read_the_same(checkpoint: Checkpoint) -> None:
    texts = [f"北京大学 the new york {i}" * (1 + i % 5) for i in range(40)]
    threads = set()

    def noted() -> Iterator[str]:
        for text in texts:
            threads.add(threading.current_thread().name)
            yield text

    def read(engine: TorchEngine, texts: Iterator[str]) -> list[Any]:
        flow = Flow("flow", checkpoint, engine, outputs=["words"])
        return [block.readings["flow"].scores["words"] for block in flow.read(gather_blocks(texts, block_chars=200))]

    expected = read(engine_of(checkpoint, None), iter(texts))
    found = read(engine_of(checkpoint), noted())
    assert threads == {THREAD}
    assert len(found) > 4
    assert all(np.allclose(a, b, atol=2e-5) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_was_given_comes_out_while_the_source_waits(checkpoint: Checkpoint, plan: Plan) -> None:
    given, asked = [batches()[:3], batches()[3:4]], threading.Semaphore(0)

    def live() -> Iterator[Rows | None]:
        for rows in given:
            yield from rows
            yield None
            assert asked.acquire(timeout=30)

    answers = engine_of(checkpoint, plan).run(live(), ["words"])
    for rows in given:
        assert [list(next(answers)) for _ in rows] == [["words"]] * len(rows)
        assert next(answers) == {}
        asked.release()
    assert list(answers) == []


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_submitted_batch_gets_what_a_stream_of_batches_gives(checkpoint: Checkpoint, plan: Plan) -> None:
    engine = engine_of(checkpoint, plan, device="cpu,cpu")
    expected = [scores["words"] for scores in engine.run(batches(), ["words"])]
    found = [future.result()["words"] for future in [engine.submit(rows, ["words"]) for rows in batches()]]
    assert all(np.allclose(a, b, atol=2e-5) for a, b in zip(found, expected, strict=True))


# Copies beside a GPU's computing, with streams that note what they are told -----------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What streams are told, in order; memory is ordinary, and every copy is made at once."""
    log: list[str] = []

    class Stream:
        def __init__(self, name: Any) -> None:
            self.name = name if isinstance(name, str) else "there" if "there" not in made else "back"
            made.add(self.name)

        def wait_stream(self, other: Stream) -> None:
            log.append(f"{self.name} waits for {other.name}")

        def record_event(self, event: Any) -> Any:
            log.append(f"{self.name} notes an event")
            return event

    made: set[str] = set()
    computing, now = Stream("computing"), ["computing"]

    @contextmanager
    def on(stream: Stream) -> Iterator[None]:
        now.append(stream.name)
        yield
        now.pop()

    def noted(what: str, method: Any) -> Any:
        def call(self: torch.Tensor, *given: Any, **options: Any) -> Any:
            if options.pop("non_blocking", False):
                log.append(f"{what} on {now[-1]}")
            return method(self, *given, **options)

        return call

    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", lambda **_: SimpleNamespace(synchronize=lambda: log.append("waited")))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: computing)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda _, stream: log.append(f"kept for {stream.name}"))
    monkeypatch.setattr(torch.Tensor, "to", noted("sent", torch.Tensor.to))
    monkeypatch.setattr(torch.Tensor, "copy_", noted("fetched", torch.Tensor.copy_))
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory=False, **options: empty(*shape, **options))
    return log


def test_what_is_sent_is_computed_on_only_when_it_is_there(told: list[str]) -> None:
    courier = torch_device.CudaCourier(CPU)
    arrays = [np.arange(6, dtype=np.int32).reshape(2, 3), np.arange(4, dtype=np.int32)]
    found = courier.send(arrays)
    assert told == ["sent on there", "computing waits for there", "kept for computing"]
    assert all(np.array_equal(tensor.numpy(), array) for tensor, array in zip(found, arrays, strict=True))


def test_what_comes_back_is_copied_when_computed_and_read_when_copied(told: list[str]) -> None:
    courier = torch_device.CudaCourier(CPU)
    results = [torch.arange(3.0), torch.arange(4.0)]
    arrival = courier.fetch(results)
    each = ["fetched on back", "kept for back"]
    assert told == ["back waits for computing", *each, *each, "back notes an event"]
    found = arrival.wait()
    assert told[-1] == "waited"
    results[0].zero_()  # its memory may be taken for other results now
    assert [array.tolist() for array in found] == [[0, 1, 2], [0, 1, 2, 3]]


def test_a_gpu_without_a_number_is_the_current_one_in_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    named = {name: str(torch_device.resolved_device(name)) for name in ("cuda", "cuda:1", "cpu")}
    assert named == {"cuda": "cuda:2", "cuda:1": "cuda:1", "cpu": "cpu"}


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_a_load_without_room_says_how_much_there_is_and_what_to_do(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(checkpoint, Plan(each_alone, slots=300, ahead=2, in_flight=2))

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(engine._workers[0], "_model", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1_000_000, 8_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 7_000_000_000)
    with pytest.raises(EngineError) as caught:
        list(engine.run(batches(lengths=(64, 64, 64, 64, 64)), ["words"]))
    assert str(caught.value) == (
        "torch: CPU: a load of 256 slots does not fit: 1,000,000 of 8,000,000,000 bytes are free, and 7,000,000,000 "
        "are held by this process; use --batch-pieces 128 or less"
    )
    assert not is_running()


def test_a_model_without_room_says_so(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr("lexel.engines.torch.build_model", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1_000, 2_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    with pytest.raises(EngineError, match=r"the model does not fit: 1,000 of 2,000 bytes are free, .* smaller model"):
        engine_of(checkpoint)


@pytest.mark.parametrize("plan", [None, PLAN], ids=["rows", "segments"])
def test_numbers_beyond_float16_are_an_error(tmp_path: Path, plan: Plan | None) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS})
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.encoder.layer.0.output.dense.weight"] *= 1e6
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    checkpoint = open_checkpoint(folder)
    with pytest.raises(
        EngineError, match=r"torch: words has numbers that are not finite: .* 65,504; use precision bf16"
    ):
        list(engine_of(checkpoint, plan, precision="float16").run(batches(), ["words"]))
    assert len(list(engine_of(checkpoint, plan, precision="bf16").run(batches(), ["words"]))) == len(batches())


def test_float16_gives_what_float32_gives_nearly(checkpoint: Checkpoint) -> None:
    sequences = random_sequences(LENGTHS, n_pieces=N_PIECES)
    exact = compute(engine_of(checkpoint, None), sequences, ["words"], max_length=64)["words"]
    found = compute(engine_of(checkpoint, precision="float16"), sequences, ["words"], max_length=64)["words"]
    assert 0 < np.abs(found - exact).max() <= 0.03


SEEN = {
    (0, "cuda"): "device 'cuda' asked for, but PyTorch sees no GPU",
    (1, "cuda:1"): r"device 'cuda:1' asked for, but PyTorch sees 1 GPU \(cuda:0\)",
    (4, "cuda:0,cuda:7"): r"device 'cuda:7' asked for, but PyTorch sees 4 GPUs \(cuda:0 to cuda:3\)",
}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A number of GPUs that PyTorch is made to see."""

    def see(n: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)

    return see


@pytest.mark.parametrize(("seen", "message"), SEEN.items(), ids=map(str, SEEN))
def test_a_gpu_that_is_not_there_is_refused(gpus: Any, seen: tuple[int, str], message: str) -> None:
    n_gpus, asked = seen
    gpus(n_gpus)
    with pytest.raises(EngineError, match=message):
        torch_device.torch_device(asked)


@pytest.mark.parametrize(
    ("n_gpus", "asked", "device"),
    [
        (0, None, "cpu"),
        (2, None, "cuda"),
        (2, "cpu", "cpu"),
        (2, "cuda:1", "cuda:1"),
        (2, "cuda:0,cuda:1", "cuda:0,cuda:1"),
    ],
)
def test_the_device_is_the_one_asked_for_or_a_gpu_if_there_is_one(
    gpus: Any, n_gpus: int, asked: str | None, device: str
) -> None:
    gpus(n_gpus)
    assert torch_device.torch_device(asked) == device


def test_of_several_gpus_the_oldest_decides_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: {"cuda:0": (9, 0), "cuda:1": (7, 0)}[name])
    assert torch_device.gpu_precision("cuda:0") == "bf16"
    assert torch_device.gpu_precision("cuda:0,cuda:1") == "float32"


@pytest.mark.parametrize(("gib", "slots"), [(140, 65_536), (8, 16_384), (1, 2_048), (0.01, 1_024)])
def test_a_small_gpu_is_given_less_at_once(checkpoint: Checkpoint, gib: float, slots: int) -> None:
    base = replace(checkpoint.config, hidden_size=768, n_layers=12, intermediate_size=3072)
    assert torch_device.fitting_slots(base, memory_bytes=int(gib * 2**30)) == slots
