"""``lexel describe``: describe a model and its needs before its weights are downloaded."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lexel.cli.options.describe import MeasuringOptions, To
from lexel.cli.options.groups import ComputeOptions, MessageOptions, ModelOptions, grouped
from lexel.cli.options.named_model import Model, chosen_model
from lexel.cli.terminal.messages import reported
from lexel.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lexel.describe.measure import Speed


@grouped
def describe(
    *,
    model_or_id: Model = None,
    to: To = "terminal",
    measuring: MeasuringOptions,
    model: ModelOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Describe a model before its weights are downloaded.

    Family, size, labels, tokenizer, memory by precision, languages that its
    vocabulary fits, licence. For a hub model, only small files and
    the headers of its weights are downloaded.

    [dim]Would it fit, and may it be used?[/]
    [bold]lexel describe dslim/bert-base-NER[/]

    [dim]What does it cost on this machine, compared with an API?[/]
    [bold]lexel describe my-model --measure --hour-price 0.20 --api-price 0.10[/]
    """
    with reported(messages):
        if not measuring.measure and (measuring.hour_price or measuring.api_price or measuring.text) is not None:
            raise OptionError("--hour-price, --api-price, --text: need --measure; add it")

        from lexel.describe.facts import as_record
        from lexel.describe.facts import describe as describe_model
        from lexel.describe.page import lines_of, lines_of_speed
        from lexel.describe.schema import schema_of

        chosen = chosen_model(model, model_or_id)
        found = describe_model(chosen.model, revision=chosen.revision)
        if to == "schema":
            _print(schema_of(found.heads))
            return
        speed = _measure(chosen, measuring, compute) if measuring.measure else None
        if to == "json":
            _print(as_record(found) | ({} if speed is None else {"speed": asdict(speed)}))
            return
        _show(lines_of(found))
        if speed is not None:
            _show(lines_of_speed(speed, hour_price=measuring.hour_price, api_price=measuring.api_price))


def _measure(model: ModelOptions, measuring: MeasuringOptions, compute: ComputeOptions) -> Speed:
    from lexel.data.files import LineReader
    from lexel.describe.measure import measure
    from lexel.tasks.loading import load_checkpoint

    texts = []
    if measuring.text is not None:
        texts = [line for line in LineReader(measuring.text) if line.strip()]
    return measure(load_checkpoint(model.model, revision=model.revision), texts, **compute.loading)


def _print(values: dict[str, Any]) -> None:
    print(json.dumps(values, ensure_ascii=False, indent=2))


def _show(lines: Iterable[tuple[str, str]]) -> None:
    from rich.table import Table

    from lexel.cli.terminal.console import output_console

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True, width=22)
    table.add_column(overflow="fold")
    for name, said in lines:
        table.add_row(name, said)
    output_console(width=110).print(table)
