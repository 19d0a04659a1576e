"""Options of ``lexel describe``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import choices, option

_DESCRIBING, _MEASURING = "Describing", "Measuring"

DescribeFormat = Literal["terminal", "json", "schema"]

To = Annotated[
    DescribeFormat,
    option(
        "--to",
        panel=_DESCRIBING,
        value="FORMAT",
        help=f"{choices(DescribeFormat)}. Default: a table. schema: a JSON schema of the model's results.",
    ),
]


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """Measurements and prices."""

    measure: Annotated[
        bool, option("--measure", panel=_MEASURING, help="Load the model, and measure its speed on this machine.")
    ] = False
    text: Annotated[
        str | None,
        option("--text", panel=_MEASURING, value="FILE", help="Your own text to measure on, one record per line."),
    ] = None
    hour_price: Annotated[
        float | None,
        option("--hour-price", panel=_MEASURING, value="PRICE", min=0, help="Price of this machine per hour."),
    ] = None
    api_price: Annotated[
        float | None,
        option("--api-price", panel=_MEASURING, value="PRICE", min=0, help="Price of an API per million tokens."),
    ] = None
