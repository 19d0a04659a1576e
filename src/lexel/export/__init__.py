"""Other forms of a model: quantised, smaller."""
