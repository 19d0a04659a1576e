"""Checks arguments of the drop-in interfaces: unknown ones are refused with a reason or a similar name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lexel.near import nearest_name


def refuse_unknown(
    given: Mapping[str, object], *, known: Collection[str], refused: Mapping[str, str], where: str
) -> None:
    """Refuse unknown arguments.

    Args:
        given: The arguments.
        known: The accepted names.
        refused: Names that the original accepts and this does not, and what to do instead.
        where: The call, for the message.

    Raises:
        TypeError: For the first unknown argument; the message says what to do, or has a similar name.
    """
    for name in given:
        if name in known:
            continue
        if name in refused:
            raise TypeError(f"{where}: argument {name!r} is not taken; {refused[name]}")
        nearest = nearest_name(name, known)
        hint = "" if nearest is None else f", the nearest is {nearest!r}"
        raise TypeError(f"{where}: unknown argument {name!r}{hint}; it takes {', '.join(sorted(known))}")
