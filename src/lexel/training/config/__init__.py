"""Options of a run, and recipes that hold them."""
