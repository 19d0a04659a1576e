"""What people see: the page and the terminal."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from rich.cells import cell_len

from lexel.data import write_html, write_terminal
from lexel.data.render import visible
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import DOCUMENT, documents, sentences


class Page(HTMLParser):
    """Checks that elements close in order, and gathers the text of each paragraph and the words."""

    VOID = ("meta",)

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.paragraphs: list[str] = []
        self.marks: list[str | None] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "p" and "article" in self.open:
            self.paragraphs.append("")
        if tag == "mark" and "article" in self.open:
            self.marks.append(dict(attrs)["data-label"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"p", "article"} <= set(self.open):
            self.paragraphs[-1] += data


def page_of(*given_documents: Document, **options) -> str:
    stream = io.StringIO()
    write_html(given_documents, stream, **options)
    return stream.getvalue()


def drawn(*given_documents: Document, **options) -> str:
    stream = io.StringIO()
    write_terminal(given_documents, stream, **{"colour": False, "width": 80} | options)
    return stream.getvalue()


@given(documents(line_ends=True, exact_entities=False))
def test_a_page_shows_every_character_of_any_document(document: Document) -> None:
    assert Page(page_of(document)).paragraphs == [visible(document.text)]


def test_a_page_shows_real_sentences_with_all_their_entities() -> None:
    page = Page(page_of(*sentences()))
    assert page.paragraphs == [document.text for document in sentences()]
    assert page.marks == [span.label for document in sentences() for span in document.entities]


def test_a_page_needs_nothing_from_elsewhere() -> None:
    assert not re.search(r"<script|<link|src=|href=|url\(|@import", page_of(*sentences()))


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "\"'&<>", "</p></article>"])
def test_everything_on_a_page_is_escaped(evil: str) -> None:
    words = Words.of(evil, [(0, len(evil))], [evil])
    page = page_of(Document(evil, words, Spans.of(evil, [(0, len(evil), evil)]), id=evil), title=evil)
    assert Page(page).paragraphs == [evil]
    assert "<script" not in page


def test_a_page_has_a_legend_with_counts() -> None:
    page = page_of(DOCUMENT, DOCUMENT)
    assert "2 documents, 10 words, 4 entities" in page
    assert '<li><mark class="c0">PER</mark> 2</li>\n<li><mark class="c1">LOC</mark> 2</li>' in page


def test_entities_may_be_nested_or_cut_words_but_crossing_ones_are_said() -> None:
    spans = Spans.of("abcdef", [(0, 6, "A"), (1, 3, "B"), (2, 4, "C")])
    stream = io.StringIO()
    losses = write_html([Document("abcdef", Words.of("abcdef", [(0, 2), (2, 6)]), spans)], stream)
    assert Page(stream.getvalue()).marks == ["A", "B"]
    assert [(loss.what, loss.count) for loss in losses] == [("entities that cross another", 1)]


@pytest.mark.parametrize(
    ("text", "direction"), [("שלום", "rtl"), ("12 مرحبا abc", "rtl"), ("abc שלום", "ltr"), ("12", "ltr")]
)
def test_a_paragraph_runs_as_its_first_letter_does(text: str, direction: str) -> None:
    assert f'<p dir="{direction}"' in page_of(Document(text))


def test_words_against_the_direction_keep_their_own_order() -> None:
    text = "עם Joe Biden אתמול"
    words = Words.of(text, [(0, 2), (3, 6), (7, 12), (13, 18)])
    page = page_of(Document(text, words, Spans.of(text, [(3, 12, "PER")])))
    assert re.search(
        r'<bdi dir="ltr"><mark[^>]*><span class="w">Joe</span> <span class="w">Biden</span></mark></bdi>', page
    )


def test_an_entity_that_ends_among_words_against_the_direction_ends_there() -> None:
    text = "עם Joe Biden אתמול"
    words = Words.of(text, [(0, 2), (3, 6), (7, 12), (13, 18)])
    page = page_of(Document(text, words, Spans.of(text, [(0, 6, "PER")])))
    assert re.search(
        r'<bdi dir="ltr"><span class="w">Joe</span></bdi></mark><bdi dir="ltr"> <span class="w">Biden</span>', page
    )


def test_scores_of_entities_are_tooltips_and_those_of_words_are_no_loss() -> None:
    words = Words("a", [0], [1], scores=[0.5])
    spans = Spans("a", [0], [1], label_ids=[0], labels=["X"], scores=[0.98767])
    stream = io.StringIO()
    losses = write_html([Document("a", words, spans)], stream)
    assert 'title="X 0.9877"' in stream.getvalue()
    assert losses == ()


def test_a_page_says_its_encoding() -> None:
    stream = io.BytesIO()
    write_html([DOCUMENT], stream, encoding="gb18030")
    assert '<meta charset="gb18030">' in stream.getvalue().decode("gb18030")


def test_a_lone_surrogate_is_refused_on_a_page(tmp_path) -> None:
    with pytest.raises(DataError, match=r"lone surrogate U\+D800"):
        write_html([Document("\ud800")], tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_words_over_tags_over_entities() -> None:
    assert drawn(DOCUMENT) == (
        "s1\n約翰   在   New    York   。\nPROPN  ADP  PROPN  PROPN  PUNCT\nPER──       LOC─────────\n\n"
    )


def test_rows_break_where_the_terminal_ends() -> None:
    assert drawn(DOCUMENT, width=20) == (
        "s1\n約翰   在   New\nPROPN  ADP  PROPN\nPER──       LOC──\nYork   。\nPROPN  PUNCT\n─────\n\n"
    )


def test_words_without_tags_stand_close() -> None:
    assert drawn(Document("我在这里", Words.of("我在这里", [(0, 1), (1, 2), (2, 4)]))) == "我 在 这里\n\n"


def test_a_document_without_words_shows_its_text() -> None:
    text = "请问 北京在哪里\n第二行"
    assert drawn(Document(text, entities=Spans.of(text, [(3, 5, "LOC")]))) == "请问 北京在哪里\n     LOC─\n第二行\n\n"


def test_blanks_of_a_text_without_words_are_one() -> None:
    assert drawn(Document("a   b\t c")) == "a b c\n\n"


def test_a_terminal_is_told_nothing_by_a_text() -> None:
    assert "\x1b" not in drawn(Document("\x1b]0;title\x07\x9b31m[bold]x[/bold]", id="\x1b[2J"))


def test_markup_in_a_text_is_text() -> None:
    assert drawn(Document("[bold]x[/bold] :smile:")) == "[bold]x[/bold] :smile:\n\n"


@pytest.mark.parametrize("width", [20, 80])
def test_no_line_of_real_sentences_is_wider_than_the_terminal(width: int) -> None:
    plain = [Document(document.text, document.words, document.entities) for document in sentences()]
    assert max(map(cell_len, drawn(*plain, width=width).split("\n"))) <= width


@given(documents(line_ends=True, exact_entities=False))
def test_a_terminal_shows_any_document(document: Document) -> None:
    shown = drawn(document, width=16)
    letters = [char for char in document.text if char.isascii() and char.isalpha()]
    assert all(char in shown for char in letters)


def test_colours_come_only_when_asked_for() -> None:
    assert "\x1b[" not in drawn(DOCUMENT)
    coloured = drawn(DOCUMENT, colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == drawn(DOCUMENT)
    assert "\x1b[1;36m約翰" in coloured


@pytest.mark.parametrize("char", ["\u202e", "\u2067"])
def test_what_turns_the_direction_does_not_reach_the_terminal(char: str) -> None:
    text = f"a{char}b"
    assert drawn(Document(text, Words.of(text, [(0, 3)], ["X"]))) == "a\ufffdb\nX\n\n"


def test_a_file_gets_no_colours_unless_asked(tmp_path) -> None:
    write_terminal([DOCUMENT], tmp_path / "out.txt")
    assert "\x1b" not in (tmp_path / "out.txt").read_text()


def test_a_notebook_shows_short_text_open() -> None:
    fragment = DOCUMENT._repr_html_()
    assert "<details" not in fragment
    assert "<html" not in fragment
    assert Fragment(fragment).shown == DOCUMENT.text


def test_a_notebook_folds_long_text_between_words_and_counts_the_rest() -> None:
    text = "臺北很好。" * 10_000
    words = Words.of(text, [(i, i + 5) for i in range(0, len(text), 5)])
    fragment = Document(text, words, Spans.of(text, [(498, 503, "LOC")]))._repr_html_()
    assert "<summary>20,005 more characters</summary>" in fragment
    assert "29,500 characters more are not shown" in fragment
    assert Fragment(fragment).shown.startswith(text[:20_500])
    assert 'data-label="LOC"' in fragment


class Fragment(HTMLParser):
    """The text of the paragraphs of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.shown, self._is_text = "", False
        self.feed(fragment)

    def handle_starttag(self, tag, attrs):
        self._is_text = self._is_text or tag == "p"

    def handle_endtag(self, tag):
        self._is_text = self._is_text and tag != "p"

    def handle_data(self, data):
        self.shown += data if self._is_text else ""
