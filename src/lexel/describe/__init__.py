"""A model described before its weights are loaded: what it is, what it needs, what its licence asks, what it costs."""
