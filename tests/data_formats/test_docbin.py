"""spaCy's DocBin."""

from __future__ import annotations

import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lexel.data import FORMATS, Losses
from lexel.data.labelled import open_labelled
from lexel.errors import DataError, MissingExtra
from tests.data_formats.annotated import EMOJI, labelled, needs_spacy, written


@needs_spacy
def test_a_docbin_of_spacy_is_read(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import DocBin

    nlp = spacy.blank("en")
    doc = nlp("Jane Roe  left Bonn.")
    doc.set_ents([doc.char_span(0, 8, label="PERSON"), doc.char_span(15, 19, label="GPE")])
    doc.cats = {"news": 1.0}
    doc.spans["sc"] = [doc.char_span(0, 4, label="FIRST")]
    doc.spans["other"] = [doc[0:1]]
    path = tmp_path / "train.spacy"
    DocBin(docs=[doc, nlp("None looked for.")]).to_disk(path)
    losses = Losses()
    first, second = open_labelled(path).documents(losses=losses)
    assert first.text == "Jane Roe  left Bonn."
    assert first.words.texts == ["Jane", "Roe", "left", "Bonn", "."]
    assert [(span.text, span.label) for span in first.entities] == [("Jane Roe", "PERSON"), ("Bonn", "GPE")]
    assert labelled(first.nested) == [("Jane", "FIRST")]
    assert second.layers == {"words"}
    assert [str(loss) for loss in losses] == [
        "classes: 1 not held by documents",
        "spans in other groups: 1 not held by documents",
    ]


@needs_spacy
def test_spacy_reads_what_was_written(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import DocBin

    path = tmp_path / "train.spacy"
    FORMATS["spacy"].writer([EMOJI], path)
    (doc,) = DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)
    assert doc.text == EMOJI.text
    assert [token.text_with_ws for token in doc] == ["🦟 ", "𠮷野家 ", " ", "在 ", "北京", "😀"]
    assert [(span.text, span.label_) for span in doc.ents] == [(span.text, span.label) for span in EMOJI.entities]
    assert [token.pos_ for token in doc if not token.is_space] == EMOJI.words.pos


@needs_spacy
def test_a_docbin_is_read_from_a_stream_that_gives_few_bytes_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(100)

    (found,) = FORMATS["spacy"].reader(Slow(written("spacy", EMOJI)))  # type: ignore[misc]
    assert found == EMOJI


def test_without_spacy_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtra, match=r'pip install "lexel\[spacy\]"'):
        written("spacy", EMOJI)


@needs_spacy
@pytest.mark.parametrize("damage", [lambda data: data[:30], lambda data: data[:30] + bytes(8) + data[38:]])
def test_a_damaged_packing_is_said(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.spacy.xz").write_bytes(damage(lzma.compress(bytes(range(100)))))
    with pytest.raises(DataError, match=r"a.spacy.xz: cannot be read \(.*\); expected a .spacy file"):
        list(open_labelled(tmp_path / "a.spacy.xz").documents())
