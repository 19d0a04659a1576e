"""The outputs of a run: the finished folder, its records and plots."""
