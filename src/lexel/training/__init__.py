"""Training: from labelled or raw text to a model folder whose scores can be defended."""
