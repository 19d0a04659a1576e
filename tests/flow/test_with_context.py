"""Texts with a context, read lazily: each result comes with its own."""

from __future__ import annotations

from collections.abc import Iterator

from lexel.tasks.with_inputs import with_context


def test_each_result_comes_with_the_context_of_its_text() -> None:
    pairs = [("a", 1), ("b", None), ("a", 3)]
    assert list(with_context(pairs, lambda texts: (text.upper() for text in texts))) == [
        ("A", 1),
        ("B", None),
        ("A", 3),
    ]


def test_no_more_pairs_are_taken_than_are_read() -> None:
    taken: list[int] = []

    def pairs() -> Iterator[tuple[str, int]]:
        for number in range(9):
            taken.append(number)
            yield "a", number

    results = with_context(pairs(), iter)
    assert next(results) == ("a", 0)
    assert taken == [0]
