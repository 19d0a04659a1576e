"""The tasks in transformers' shapes: ``pipeline.py`` is the entry, and each other file one of its pipelines."""
