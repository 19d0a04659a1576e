"""Arguments of the drop-ins: what is accepted, what is refused with a reason, and the nearest name for the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lexel.near import nearest_name


def refuse_unknown(
    given: Mapping[str, object], *, known: Collection[str], refused: Mapping[str, str], where: str
) -> None:
    """Refuse arguments that nobody takes.

    Args:
        given: The arguments.
        known: The names that are taken.
        refused: Names of the original that are not, and what to do instead.
        where: The call, for the message.

    Raises:
        TypeError: For the first argument that is not known; it names what to do, or a similar name.
    """
    for name in given:
        if name in known:
            continue
        if name in refused:
            raise TypeError(f"{where}: argument {name!r} is not taken; {refused[name]}")
        nearest = nearest_name(name, known)
        hint = "" if nearest is None else f", the nearest is {nearest!r}"
        raise TypeError(f"{where}: unknown argument {name!r}{hint}; it takes {', '.join(sorted(known))}")
