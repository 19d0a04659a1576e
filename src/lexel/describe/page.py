"""A description as a table with two columns."""

from __future__ import annotations

from collections.abc import Iterator

from lexel.describe.facts import Description
from lexel.describe.measure import Speed
from lexel.licences import demand_of

_MOST_LABELS = 20


def lines_of(found: Description) -> Iterator[tuple[str, str]]:
    """Name and value of each fact."""
    config = found.config
    yield "model", found.source.pin or found.name
    yield "family", f"{config.model_type}, {config.n_layers} layers of {config.hidden_size}, {config.n_heads} heads"
    if found.n_parameters is not None:
        yield "parameters", f"{found.n_parameters / 1e6:,.1f} million, stored as {found.stored_as}"
    for head in found.heads:
        labels = ", ".join(head.labels[:_MOST_LABELS]) + (" ..." if len(head.labels) > _MOST_LABELS else "")
        scheme = f" in {head.scheme}" if head.scheme and head.scheme != "bare" else ""
        yield f"head {head.name}", f"{head.task}{scheme}" + (f": {len(head.labels)} labels: {labels}" if labels else "")
    if not found.heads:
        yield "heads", "none, a bare encoder"
    reads = "single characters" if found.pieces == "chars" else "the tokenizer's pieces"
    vocabulary = "" if found.n_pieces is None else f", {found.n_pieces:,} of them"
    yield "reads", f"{reads}{vocabulary}; {found.longest:,} at once, longer texts in windows"
    for precision, n_bytes in found.memory.items():
        yield f"memory, {precision}", f"{n_bytes / 1e6:,.0f} MB at most, while loading and reading"
    total = sum(found.files.values())
    largest = sorted(found.files, key=lambda name: -found.files[name])[:2]
    named = ", ".join(f"{name} {found.files[name] / 1e6:,.1f} MB" for name in largest)
    yield "files", f"{len(found.files)}, {total / 1e6:,.1f} MB; {named}"
    for language, cost in found.languages.items():
        unknown = f", {cost.unknown:.0%} of them unknown" if cost.unknown >= 0.005 else ""
        yield language, f"{cost.pieces_per_char:.2f} pieces a character{unknown}"
    licence = found.licence
    demand = demand_of(licence.licence)
    yield "licence", f"{licence.licence or 'not stated'}: {demand or licence.kind}"
    if licence.contradiction:
        yield "", licence.contradiction
    if found.changed:
        threads = "" if found.open_threads is None else f"; {found.open_threads} open threads"
        yield "last change", f"{found.changed}{threads}"
    for problem in found.problems:
        yield "not known", problem


def lines_of_speed(speed: Speed, *, hour_price: float | None, api_price: float | None) -> Iterator[tuple[str, str]]:
    """The measured speed, and its cost compared with an API."""
    yield "engine", speed.engine
    yield "first result", f"{speed.load_s:.2f} s after the start"
    yield "one text", f"{1000 * speed.latency_s:.1f} ms"
    yield "many texts", f"{speed.chars_per_s:,.0f} characters per second, {speed.pieces_per_s:,.0f} tokens"
    if hour_price is not None:
        yield "a million characters", f"{speed.price_of_million_chars(hour_price):.4f}"
        own = speed.price_of_million_pieces(hour_price)
        beside = ""
        if api_price is not None and own > 0:
            beside = f"; the API asks {api_price:.4f}, {api_price / own:,.1f} times as much"
        yield "a million tokens", f"{own:.4f}{beside}"
