"""Measure a model on labelled data: run it, score every layer, report."""
