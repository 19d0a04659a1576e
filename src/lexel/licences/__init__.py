"""Judges licences: their names, their conditions, and the licence of a model from its files."""

from lexel.licences.names import Kind, identifier_of, kind_of, strictest
from lexel.licences.texts import licence_of_text
from lexel.licences.verdict import Verdict, demand_of, judge

__all__ = ["Kind", "Verdict", "demand_of", "identifier_of", "judge", "kind_of", "licence_of_text", "strictest"]
