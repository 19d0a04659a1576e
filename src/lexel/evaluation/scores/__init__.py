"""A model scored on labelled data."""
