"""Model cards: everything a reader must know about a model folder, from the facts that its files record."""

from lexel.cards.card import CardResult, write_card
from lexel.cards.metadata import read_claims

__all__ = ["CardResult", "read_claims", "write_card"]
