"""Documents made from nothing, for every test of formats."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from lexel.data import read_jsonl
from lexel.document import Document, Spans, Words

DATA = Path(__file__).parent.parent / "data"

# Characters that tools for text get wrong: line ends that are none, blanks of all kinds, marks, pairs, controls.
AWKWARD = "\u2028\x85\x0b\x0c\x1c\u3000\xa0\ufeff\u200b\u200d\ufffd\x00\x1b😀é\u0301ก漢字あאع#-_|=\\\"'<&>\t "
LABELS = ("PER", "LOC", "ORG-2", "地")
TAGS = ("NOUN", "VERB", "X+Y", "名")
TEXT = "約翰在New York。"
DOCUMENT = Document(
    TEXT,
    Words.of(TEXT, [(0, 2), (2, 3), (3, 6), (7, 11), (11, 12)], ["PROPN", "ADP", "PROPN", "PROPN", "PUNCT"]),
    Spans.of(TEXT, [(0, 2, "PER"), (3, 11, "LOC")]),
    id="s1",
)


@st.composite
def documents(draw, *, line_ends=False, surrogates=False, exact_entities=True, scores=False, full=False):
    """Any Document whose words tile its text, with each layer there or not; ``full`` has words, tags and entities."""
    chars = st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=("Cs",)))
    if surrogates:
        chars = st.one_of(chars, st.sampled_from("\ud83d\udc00"))
    text = draw(st.text(chars, max_size=24))
    if not line_ends:
        text = text.replace("\n", "n").replace("\r", "r")
    text += "x" if full and not text.strip() else ""
    absent = st.nothing() if full else st.none()
    words = draw(absent | words_of(text, scores=scores, full=full))
    entities = draw(absent | entities_of(text, words if exact_entities else None, scores=scores))
    if exact_entities and words is None:
        entities = None
    return Document(text, words, entities, id=draw(st.none() | st.text("ab-1/漢", min_size=1, max_size=5)))


@st.composite
def words_of(draw, text, *, scores=False, full=False):
    """Words that hold every character of the text but whitespace."""
    bounds: list[tuple[int, int]] = []
    for i, char in enumerate(text):
        if char.isspace():
            continue
        if bounds and bounds[-1][1] == i and draw(st.booleans()):
            bounds[-1] = (bounds[-1][0], i + 1)
        else:
            bounds.append((i, i + 1))
    n = len(bounds)
    pos_ids = draw(
        (st.nothing() if full else st.none()) | st.lists(st.integers(0, len(TAGS) - 1), min_size=n, max_size=n)
    )
    return Words(
        text,
        [start for start, _ in bounds],
        [end for _, end in bounds],
        pos_ids=pos_ids,
        pos_labels=() if pos_ids is None else TAGS,
        scores=draw(scores_of(n)) if scores else None,
        pos_scores=draw(scores_of(n)) if scores and pos_ids is not None else None,
    )


def scores_of(n):
    """Probabilities of four decimals, or none."""
    return st.none() | st.lists(st.integers(0, 10_000).map(lambda i: i / 10_000), min_size=n, max_size=n)


@st.composite
def entities_of(draw, text, words, *, scores=False):
    """Entities side by side, of whole words where there are words."""
    units = [(i, i + 1) for i in range(len(text))] if words is None else [(w.start, w.end) for w in words]
    found: list[tuple[int, int, str]] = []
    at = 0
    while at < len(units):
        size = draw(st.integers(0, 3))
        last = min(at + max(size, 1), len(units)) - 1
        if size:
            found.append((units[at][0], units[last][1], draw(st.sampled_from(LABELS))))
        at = last + 1
    plain = Spans.of(text, found)
    values = draw(scores_of(len(found))) if scores else None
    return Spans(text, plain.starts, plain.ends, label_ids=plain.label_ids, labels=plain.labels, scores=values)


@cache
def sentences() -> list[Document]:
    """Real sentences with words, tags and entities."""
    return [document for name in ("zh_gsd", "en_ewt", "sr_set") for document in read_jsonl(DATA / f"{name}.jsonl")]
