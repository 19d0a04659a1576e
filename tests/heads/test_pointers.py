"""Heads that score spans: their formula, every engine, windows, decoding, and what their folder says."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import BertConfig, BertModel

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.decoding import pointers
from lexel.decoding.pointers import best_apart, find_spans, span_scores
from lexel.document import Document
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError, LabelError
from lexel.pointers import PointerForm
from lexel.tasks.base import Block, Flow
from lexel.tasks.span_windows import are_decided
from lexel.text.windows import plan_batch
from tests.builders import VOCAB, build_span_model, build_tagger, compute, random_sequences, write_byte_level_tokenizer

LABELS = ("LOC", "ORG", "PER")
TEXT = "天下大王在臺北市長小明我他你們"
FORMS: dict[str, dict[str, Any]] = {
    "full": {},
    "without positions": {"rotary": False},
    "efficient": {"kind": "efficient-global-pointer"},
    "efficient in pairs": {"kind": "efficient-global-pointer", "layout": "pairs"},
}


def plain_scores(
    states: NDArray[np.float64], tensors: dict[str, NDArray[Any]], form: dict[str, Any], *, size: int = 8
) -> NDArray[np.float64]:
    """The definition, span by span: ``[labels, pieces, pieces]``; a pair of numbers is a complex one."""

    def mapped(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        weight, bias = (tensors[f"heads.spans{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        return np.asarray(x @ weight.T + bias)

    def turned(x: NDArray[np.float64], position: int) -> NDArray[np.complex128]:
        rates = 10_000.0 ** (-2 * np.arange(size // 2) / size)
        return np.asarray((x[::2] + 1j * x[1::2]) * np.exp(1j * position * rates * form.get("rotary", True)))

    n = len(states)
    scores = np.zeros((len(LABELS), n, n))
    for label, i, j in np.ndindex(scores.shape):
        bias = 0.0
        if "kind" not in form:
            rows = mapped("", states).reshape(n, len(LABELS), 2, size)[:, label]
            query, key = rows[i, 0], rows[j, 1]
        else:
            dense = mapped(".p_dense", states)
            biases = mapped(".q_dense", dense) / 2
            if form.get("layout") == "pairs":
                query, key = dense[i, ::2], dense[j, 1::2]
                bias = biases[j, 2 * label] + biases[i, 2 * label + 1]
            else:
                query, key = dense[i, :size], dense[j, size:]
                bias = biases[i, 2 * label] + biases[j, 2 * label + 1]
        scores[label, i, j] = (turned(query, i) * turned(key, j).conj()).sum().real / size**0.5 + bias
    return scores


@pytest.fixture(scope="module", params=FORMS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    form = FORMS[request.param]
    return build_span_model(tmp_path_factory.mktemp("spans") / "model", pointer=form), form


def hidden_states(folder: Path, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """What transformers computes of one sequence in float64, ``[pieces, hidden]``."""
    model = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False)
    tensors = {name.removeprefix("bert."): value for name, value in load_file(folder / "model.safetensors").items()}
    kept = {name: torch.from_numpy(value) for name, value in tensors.items() if not name.startswith("heads")}
    model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        found = model.double().eval()(input_ids=torch.from_numpy(ids[None].astype(np.int64))).last_hidden_state[0]
    return np.asarray(found.numpy())


# Scores --------------------------------------------------------------------------------------------------------------

TOLERANCE = {"numpy": ("auto", 1e-9), "openvino": ("float32", 2e-5), "torch": ("float32", 2e-5)}


@pytest.mark.parametrize("engine", TOLERANCE)
def test_packed_scores_are_those_of_the_definition_for_each_sequence_alone(
    folder: tuple[Path, dict[str, Any]], engine: str
) -> None:
    path, form = folder
    precision, tolerance = TOLERANCE[engine]
    checkpoint = open_checkpoint(path)
    sequences = random_sequences((17, 5, 9), n_pieces=len(VOCAB))
    started = start_engine(checkpoint, EngineOptions(engine=engine, precision=precision, threads=1), heads=["spans"])
    found = compute(started, sequences, ["spans"], max_length=64)["spans"]
    pointer = checkpoint.heads["spans"].pointer
    assert pointer is not None
    tensors = load_file(path / "model.safetensors")
    for start, end in pairwise(sequences.bounds.tolist()):
        exact = plain_scores(hidden_states(path, sequences.ids[start:end]), tensors, form)
        scores = span_scores(found[start:end], pointer, n_labels=len(LABELS))
        assert np.abs(scores - exact).max() <= tolerance * np.abs(exact).max()


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_bf16_scores_are_near(folder: tuple[Path, dict[str, Any]], engine: str) -> None:
    path, _ = folder
    sequences = random_sequences((17, 5, 9), n_pieces=len(VOCAB))
    options = [EngineOptions(engine=e, precision=p, threads=1) for e, p in ((engine, "bf16"), ("numpy", "auto"))]
    try:
        engines = [start_engine(open_checkpoint(path), one, heads=["spans"]) for one in options]
    except lexel.LexelError as error:
        pytest.skip(str(error))
    near, exact = (compute(one, sequences, ["spans"], max_length=64)["spans"] for one in engines)
    assert np.abs(near - exact).max() < 0.05 * np.abs(exact).max()


def test_spans_never_reach_into_the_next_text(folder: tuple[Path, dict[str, Any]]) -> None:
    nlp = lexel.load(folder[0], engine="openvino", precision="float32")
    texts = [TEXT[:5], TEXT[5:9], TEXT]
    together = list(nlp.stream(texts, live=False))
    for text, document in zip(texts, together, strict=True):
        alone = nlp(text)
        assert [span[:4] for span in document.nested] == [span[:4] for span in alone.nested]
        assert document.nested.scores == pytest.approx(alone.nested.scores, abs=1e-5)


# Windows -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(2, 20), st.data())
def test_every_span_that_a_window_holds_is_decided_once_and_short_ones_all_are(
    n: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    windows = plan_batch(np.array([0, n, n + 7]), size=size, overlap=overlap)
    for first, last in ((i, j) for i in range(n) for j in range(i, n)):
        holding = [w for w in range(len(windows)) if windows.start[w] <= first and last < windows.end[w]]
        owners = [w for w in holding if are_decided(windows, w, np.array([first]), np.array([last + 1]))[0]]
        assert len(owners) == (1 if holding else 0)
        assert holding or last - first + 1 > overlap + 1


def test_a_span_is_decided_where_its_nearer_end_is_farthest_from_a_cut() -> None:
    windows = plan_batch(np.array([0, 13]), size=8, overlap=4)  # [0, 8) [4, 12) [8, 13)
    spans = np.array([(0, 3), (4, 6), (5, 7), (6, 8), (8, 9), (9, 11), (10, 12)])
    owners = [[int(are_decided(windows, w, *spans[k : k + 1].T)[0]) for w in range(3)].index(1) for k in range(7)]
    assert owners == [0, 0, 0, 1, 1, 1, 2]


def test_a_long_text_is_read_in_windows_as_each_window_alone(tmp_path: Path) -> None:
    nlp = lexel.load(build_span_model(tmp_path / "model", max_position_embeddings=22), engine="numpy")
    flow, text = nlp.flows[0], TEXT * 4
    assert (flow.window, flow.overlap) == (20, 5)
    checkpoint = open_checkpoint(tmp_path / "model")
    pointer = checkpoint.heads["spans"].pointer
    assert pointer is not None
    plain = Flow("plain", checkpoint, flow.engine, outputs=["hidden.2"])
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    windows = plan_batch(np.array([0, len(text)]), size=20, overlap=5)
    expected = set()
    for w in range(len(windows)):
        start, end = int(windows.start[w]), int(windows.end[w])
        part = Block([text[start:end]])
        next(plain.read([part]))
        rows = part.readings["plain"].scores["hidden.2"]
        weight, bias = tensors["heads.spans.weight"], tensors["heads.spans.bias"]
        outputs = rows @ weight.T.astype(float) + bias
        label, first, last, _ = find_spans(outputs, pointer, n_labels=len(LABELS), threshold=0)
        own = are_decided(windows, w, first + start, last + start + 1)
        triples = zip(first[own] + start, last[own] + start + 1, label[own], strict=True)
        expected |= {(int(a), int(b), LABELS[c]) for a, b, c in triples}
    assert {(span.start, span.end, span.label) for span in nlp(text).nested} == expected


@pytest.mark.parametrize("form", FORMS.values())
@pytest.mark.parametrize("block", [1, 40, 1 << 22])
def test_spans_are_found_block_by_block(monkeypatch: pytest.MonkeyPatch, form: dict[str, Any], block: int) -> None:
    monkeypatch.setattr(pointers, "BLOCK", block)
    pointer = PointerForm(**{"size": 8, **form})
    outputs = np.random.default_rng(0).normal(size=(9, pointer.width(3)))
    scores = span_scores(outputs, pointer, n_labels=3)
    expected = {(k, i, j): scores[k, i, j] for k, i, j in np.ndindex(3, 9, 9) if i <= j and scores[k, i, j] > 0.3}
    label, first, last, worth = find_spans(outputs, pointer, n_labels=3, threshold=0.3)
    found = dict(zip(zip(label.tolist(), first.tolist(), last.tolist(), strict=True), worth.tolist(), strict=True))
    assert found == pytest.approx(expected)


# Decoding ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5), st.floats(0.01, 9)), max_size=9))
def test_the_best_set_without_overlaps_is_that_of_an_exhaustive_search(spans: list[tuple[int, int, float]]) -> None:
    starts = np.array([start for start, _, _ in spans], np.int64)
    ends = starts + np.array([size for _, size, _ in spans], np.int64)
    worths = np.array([worth for _, _, worth in spans])
    chosen = best_apart(starts, ends, worths)
    assert (ends[chosen][:-1] <= starts[chosen][1:]).all()
    sets = (some for n in range(len(spans) + 1) for some in combinations(range(len(spans)), n))
    free = (
        some for some in sets if all(ends[a] <= starts[b] or ends[b] <= starts[a] for a, b in combinations(some, 2))
    )
    assert worths[chosen].sum() == pytest.approx(max(sum(worths[i] for i in some) for some in free))


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> lexel.Tagger:
    return lexel.load(build_span_model(tmp_path_factory.mktemp("any") / "model"), engine="numpy")


def check_spans(document: Document) -> None:
    text = document.text
    places = [(span.start, span.end, span.label) for span in document.nested]
    assert len(set(places)) == len(places)
    assert places == sorted(places, key=lambda place: (place[0], -place[1], place[2]))
    for span in document.nested:
        assert 0 <= span.start < span.end <= len(text)
        assert span.text == text[span.start : span.end]
        assert span.text.strip() == span.text
        assert span.score is not None
        assert span.score >= 0.5
    flat = list(document.entities)
    assert all(a.end <= b.start for a, b in pairwise(flat))
    assert set(flat) <= set(document.nested)


@settings(deadline=None, max_examples=40)
@given(st.text(st.sampled_from([*"天下 \u3000\t北京ａ🏳️\u200d🌈éa1.\ud83d\u0301"]), max_size=80))
def test_spans_of_any_text_lie_in_it_in_order(nlp: lexel.Tagger, text: str) -> None:
    check_spans(nlp(text))
    check_spans(nlp(text, snap="grapheme"))
    check_spans(nlp(text, entities_on_words=True))


def test_pieces_that_share_a_character_are_one(tmp_path: Path) -> None:
    folder = build_span_model(tmp_path / "model", vocab=[f"[{i}]" for i in range(300)])
    (folder / "vocab.txt").unlink()
    write_byte_level_tokenizer(folder)
    document = lexel.load(folder, engine="numpy")("北the京 é北")
    assert len(document.nested) > 0
    check_spans(document)


def test_a_higher_least_score_keeps_the_spans_above_it(nlp: lexel.Tagger) -> None:
    every = nlp(TEXT).nested
    assert every.scores is not None
    expected = [span for span in every if span.score is not None and span.score > 0.8]
    assert 0 < len(expected) < len(every)
    assert list(nlp(TEXT, min_score=0.8).nested) == expected


def test_a_lower_least_score_gives_spans_below_one_half(nlp: lexel.Tagger) -> None:
    found = nlp(TEXT, min_score=0.2).nested
    assert found.scores is not None
    assert 0.2 <= found.scores.min() < 0.5
    assert len(nlp(TEXT, min_score=0).nested) == len(LABELS) * len(TEXT) * (len(TEXT) + 1) // 2


def test_calibrated_scores_keep_the_same_spans(tmp_path: Path, nlp: lexel.Tagger) -> None:
    plain = nlp(TEXT).nested
    calibrated = lexel.load(
        change_head(build_span_model(tmp_path / "model"), tuned={"scale": 0.5, "shift": -1.0}), engine="numpy"
    )(TEXT).nested
    assert [span[:4] for span in calibrated] == [span[:4] for span in plain]
    assert plain.scores is not None
    logits = np.log(plain.scores / (1 - plain.scores))
    assert calibrated.scores == pytest.approx(1 / (1 + np.exp(1 - logits / 2)), abs=1e-3)


def test_a_least_score_of_the_folder_is_one_of_calibrated_scores(tmp_path: Path, nlp: lexel.Tagger) -> None:
    tuned = {"scale": 0.5, "shift": -1.0, "min_score": 0.6}
    folder = change_head(build_span_model(tmp_path / "model"), tuned=tuned)
    found = lexel.load(folder, engine="numpy")(TEXT).nested
    assert found.scores is not None
    assert 0 < len(found) < len(nlp(TEXT).nested)
    assert found.scores.min() >= 0.6


def test_without_nested_spans_only_the_best_apart_are_given(nlp: lexel.Tagger) -> None:
    flat = nlp(TEXT, nested=False)
    assert flat.layers == {"words", "entities", "sentences"}
    assert flat.entities == nlp(TEXT).entities


def test_labels_can_be_left_out(nlp: lexel.Tagger) -> None:
    assert set(nlp(TEXT, ignore=["ORG"]).nested.labels) > {"LOC"}
    assert {span.label for span in nlp(TEXT, ignore=["ORG"]).nested} == {"LOC", "PER"}


def test_a_span_model_joins_one_for_words(tmp_path: Path, nlp: lexel.Tagger) -> None:
    words = build_tagger(tmp_path / "words", heads={"words": ("B", "I")})
    spans = open_checkpoint(nlp.flows[0].checkpoint.source.folder)
    document = lexel.load(words=words, entities=spans, engine="numpy")(TEXT)
    assert document.layers == {"words", "entities", "nested", "sentences"}
    assert document.nested == nlp(TEXT).nested


# The folder ----------------------------------------------------------------------------------------------------------


def test_tensors_may_have_the_names_that_other_programs_give_them(tmp_path: Path) -> None:
    folder = build_span_model(tmp_path / "model")
    expected = lexel.load(folder, engine="numpy")(TEXT)
    tensors = load_file(folder / "model.safetensors")
    for part in ("weight", "bias"):
        tensors[f"global_pointer.dense.{part}"] = tensors.pop(f"heads.spans.{part}")
    tensors["global_pointer.position_embedding.cos_position"] = np.zeros((64, 8), np.float32)
    save_file(tensors, folder / "model.safetensors")
    change_head(folder, prefix="global_pointer.dense")
    assert lexel.load(folder, engine="numpy")(TEXT) == expected


def change_head(folder: Path, **changes: Any) -> Path:
    path = folder / "lexel.json"
    values = json.loads(path.read_text("utf-8"))
    values["heads"]["spans"] |= changes
    path.write_text(json.dumps(values), "utf-8")
    return folder


def test_the_form_has_defaults(tmp_path: Path) -> None:
    head = open_checkpoint(change_head(build_span_model(tmp_path / "model"), pointer=None)).heads["spans"]
    assert head.pointer == PointerForm("global-pointer", 64, rotary=True)


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        ({"kind": "biaffine"}, "pointer: kind is 'biaffine'; expected one of global-pointer, efficient-global-pointer"),
        ({"size": 0}, "pointer: size is 0; expected a number from 1"),
        ({"size": 7}, "pointer: size is 7 with rotary positions; expected an even number"),
        ({"rotary": "yes"}, "pointer: rotary is 'yes'; expected true or false"),
        ({"layout": "rows"}, "pointer: layout is 'rows'; expected one of halves, pairs"),
        ({"sizes": 8}, "pointer is {'sizes': 8}; expected an object of kind, size, rotary, layout"),
    ],
)
def test_a_form_that_is_none_is_named(tmp_path: Path, pointer: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(change_head(build_span_model(tmp_path / "model"), pointer=pointer))


@pytest.mark.parametrize(
    ("labels", "message"), [(["PER", "O"], "'O' is not a span"), ([], "no labels"), (["A", "A"], "more than once")]
)
def test_labels_that_name_no_kinds_of_spans_are_refused(tmp_path: Path, labels: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        open_checkpoint(change_head(build_span_model(tmp_path / "model"), labels=labels))


def test_a_tensor_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = change_head(build_span_model(tmp_path / "model"), pointer={"size": 16})
    with pytest.raises(lexel.LexelError, match=r"heads\.spans\.weight.*\(48, 16\).*\(96, 16\)"):
        lexel.load(folder, engine="numpy")
