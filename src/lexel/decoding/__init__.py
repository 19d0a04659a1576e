"""Decodes scores into words, spans and groups: pure numpy, a whole batch at a time."""
