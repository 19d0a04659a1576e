"""Checks the figures of a model card by measuring them again."""
