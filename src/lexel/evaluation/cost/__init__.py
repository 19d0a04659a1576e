"""Measures the loss of a smaller or quantised model against its original."""
