"""Pages and help texts have no stilted phrases."""

from __future__ import annotations

from tests.docs.plain_words import found_in, stilted


def test_pages_and_help_texts_have_no_stilted_phrase() -> None:
    assert stilted() == []


def test_a_stilted_phrase_is_found_with_its_line() -> None:
    assert list(found_in("Fine.\nWhat was lost, and that is said.\nRead are two files.\n")) == [
        (2, "that is said"),
        (3, "Read are"),
    ]
