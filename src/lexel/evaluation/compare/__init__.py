"""Compares models on the same data: significance, differences, cost."""
