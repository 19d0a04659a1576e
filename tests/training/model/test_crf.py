"""A CRF head against brute force: its loss, and the decoding of the saved folder."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.transitions import read_transitions
from lexel.labels import LabelSet, detect
from lexel.tasks.gold import IGNORE
from lexel.training import train
from lexel.training.config.options import HeadOptions
from lexel.training.data.examples import TEXT_END, TEXT_START
from lexel.training.model.crf import Crf
from tests.training import runs

BIO = detect(("O", "B-X", "I-X"), scheme="BIO")


def random_crf(label_set: LabelSet, *, seed: int = 0) -> Crf:
    torch.manual_seed(seed)
    crf = Crf(label_set)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_()
    return crf


def worths(
    emissions: np.ndarray, biases: np.ndarray, allowed: np.ndarray, *, opens: bool, closes: bool
) -> dict[tuple[int, ...], float]:
    """The worth of every allowed path, by adding up its scores."""
    n = emissions.shape[1]
    found = {}
    for path in product(range(n), repeat=len(emissions)):
        steps = [(n, path[0])] * opens + list(pairwise(path)) + [(path[-1], n)] * closes
        if all(allowed[step] for step in steps):
            found[path] = sum(emissions[i, tag] for i, tag in enumerate(path)) + sum(biases[step] for step in steps)
    return found


@pytest.mark.parametrize(("opens", "closes"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_loss_is_that_of_all_paths_by_brute_force(opens: bool, closes: bool) -> None:
    crf, emissions = random_crf(BIO), torch.randn(4, 3)
    labels, edges = torch.tensor([1, 2, 0, 1]), torch.zeros(4, dtype=torch.int64)
    edges[0] += TEXT_START * opens
    edges[3] += TEXT_END * closes
    loss = float(crf(emissions, labels, sequences=torch.ones(4), edges=edges).detach())
    paths = worths(emissions.numpy(), crf.biases(), BIO.allowed, opens=opens, closes=closes)
    expected = np.logaddexp.reduce(list(paths.values())) - paths[1, 2, 0, 1]
    assert loss == pytest.approx(expected, rel=1e-5)


def test_runs_are_cut_at_unlabelled_slots_and_between_sequences() -> None:
    crf, emissions = random_crf(BIO), torch.randn(6, 3)
    labels = torch.tensor([1, 2, IGNORE, 0, 1, 2])
    sequences, edges = torch.tensor([1, 1, 1, 1, 2, 2]), torch.tensor([1, 0, 0, 2, 1, 2])
    loss = float(crf(emissions, labels, sequences=sequences, edges=edges).detach())
    expected = 0.0
    for span, opens, closes in ((slice(0, 2), True, False), (slice(3, 4), False, True), (slice(4, 6), True, True)):
        paths = worths(emissions[span].numpy(), crf.biases(), BIO.allowed, opens=opens, closes=closes)
        expected += np.logaddexp.reduce(list(paths.values())) - paths[tuple(labels[span].tolist())]
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_trained_crf_is_stored_as_plain_tensors_and_decoded_exactly(tmp_path: Path) -> None:
    heads = {"ner": HeadOptions(task="entities", crf=True, labels=("O", "B-PER", "I-PER"))}
    path = runs.sentences(tmp_path / "train.jsonl", n=20, entities=[[0, 1, "PER"], [2, 4, "PER"]])
    files = (runs.DataFile(path=str(path)),)
    folder = train(runs.options(tmp_path, train=files, heads=heads, learning_rate=3e-2, max_steps=20)).folder
    checkpoint = open_checkpoint(folder)
    head = checkpoint.heads["ner"]
    biases = read_transitions(head, checkpoint.open_weights())
    assert biases is not None
    assert np.abs(biases).max() > 0.05
    tensors, random = load_file(folder / "model.safetensors"), np.random.default_rng(1)
    for name in [name for name in tensors if name.endswith("transitions")]:  # so large that they decide
        tensors[name] = (10 * random.normal(size=tensors[name].shape)).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    biases = read_transitions(head, open_checkpoint(folder).open_weights())
    assert biases is not None
    nlp = lexel.load(folder, engine="numpy")
    label_set, flow = nlp.layers["entities"].label_set, nlp.flows[0]
    n_spans = 0
    for text in ("他在北京。", "中国人", "我们的人民"):
        emissions = _emissions(flow, text)
        paths = worths(emissions, biases, label_set.allowed, opens=True, closes=True)
        best = max(paths, key=paths.__getitem__)
        spans, start = [], None
        for i, tag in enumerate((*best, 0)):
            if start is not None and tag != 2:
                spans.append((start, i))
                start = None
            start = i if tag == 1 else start
        assert [(e.start, e.end) for e in nlp(text).entities] == spans
        n_spans += len(spans)
    assert n_spans > 0


def _emissions(flow: object, text: str) -> np.ndarray:
    """The scores of a text's pieces by the reference engine."""
    from lexel.engines.base import Rows

    tokenizer, engine = flow.tokenizer, flow.engine  # type: ignore[attr-defined]
    pieces = tokenizer.encode([text])
    special = tokenizer.special
    ids = np.array([[*special.prefix, *pieces.ids, *special.suffix]], np.int32)
    picks = np.arange(len(special.prefix), ids.size - len(special.suffix), dtype=np.int32)
    rows = Rows(ids, np.arange(ids.size, dtype=np.int32)[None], np.zeros_like(ids), np.ones_like(ids), picks)
    (found,) = engine.run([rows], ["ner"])
    return np.asarray(found["ner"], np.float64)
