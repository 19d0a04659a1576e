"""Evaluates models on labelled data: runs them, scores every layer, and writes reports."""
