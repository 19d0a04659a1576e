"""Writes model cards: everything that a reader must know about a model folder, from the facts in its files."""

from lexel.cards.card import CardResult, write_card
from lexel.cards.metadata import read_claims

__all__ = ["CardResult", "read_claims", "write_card"]
