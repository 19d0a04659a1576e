"""Preparation of a run: files, labels, the model, and the plan of a dry run."""
