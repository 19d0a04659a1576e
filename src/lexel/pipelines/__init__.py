"""The tasks with transformers' arguments and results: ``pipeline.py`` is the entry, each other file a pipeline."""
