"""Rates beside the machine's ceiling: which share of its bf16 matrix products everyone reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.ceiling import CeilingMeter, useful_flop
from benchmarks.machine import has_bf16
from benchmarks.measure import Series, in_turns, rate
from benchmarks.readers import Reader
from benchmarks.report import Bar, ratio
from benchmarks.setting import Setting
from lexel.text.tokenizer import load_tokenizer

_CEILING = "ceiling"


def rates_and_shares(
    readers: Mapping[str, Reader], texts: Sequence[str], setting: Setting, *, what: str
) -> tuple[dict[str, Series], dict[str, float]]:
    """Characters a second of everyone on the measured BERT, in turns, and the share of the ceiling that each reaches.

    Args:
        readers: Who reads, by name.
        texts: What everyone reads.
        setting: How much is measured.
        what: What is measured, for the progress that is printed.

    Returns:
        The rates, and the median shares in percent; no shares on a processor without bf16 products.
    """
    contestants: dict[str, Callable[[], float]] = {name: partial(rate, read, texts) for name, read in readers.items()}
    if has_bf16():
        meter = CeilingMeter(threads=setting.threads, repeats=setting.sizes.product_repeats)
        contestants[_CEILING] = lambda: meter.measure().flop_per_s
    rates = Series.each(in_turns(contestants, repetitions=setting.sizes.repetitions, what=what))
    ceiling = rates.pop(_CEILING, None)
    if ceiling is None:
        return rates, {}
    work = flop_per_char(setting, texts)
    return rates, {name: 100 * series.median * work / ceiling.median for name, series in rates.items()}


def flop_per_char(setting: Setting, texts: Sequence[str]) -> float:
    """The work of each text at its own length, special pieces included, over all characters."""
    tokenizer = load_tokenizer(Path(setting.folders.bert), pieces="tokenizer", model_type="bert")
    n_special = len(tokenizer.special.prefix) + len(tokenizer.special.suffix)
    lengths = np.diff(tokenizer.encode(texts).bounds) + n_special
    return useful_flop(setting.sizes.shape, lengths.tolist()) / sum(map(len, texts))


def over(
    figure: str,
    bar: float,
    *,
    mine: str,
    theirs: str,
    rates: Mapping[str, Series],
    shares: Mapping[str, float] | None = None,
    note: str = "",
) -> Bar:
    """How many times a peer's rate Lexel reads at, with the share of the ceiling that both reach.

    Args:
        figure: What is compared with what.
        bar: What it must reach.
        mine: Lexel's name among the rates.
        theirs: The peer's.
        rates: Everyone's rate.
        shares: Everyone's share of the ceiling, in percent.
        note: What a reader must know beside it.
    """
    if mine not in rates or theirs not in rates:
        return Bar(figure, bar, None, note=note)
    shares = shares or {}
    value = ratio(rates[mine], rates[theirs])
    return Bar(figure, bar, value, note=note, share=shares.get(mine), peer_share=shares.get(theirs))
