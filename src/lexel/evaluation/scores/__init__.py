"""Scores models on labelled data."""
