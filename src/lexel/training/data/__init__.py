"""Turns labelled files into batches: columns, heads with their labels, sequences and rows."""
