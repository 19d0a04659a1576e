"""Makes and updates lock files: a model's identity, its outputs on fixed texts, and the changes of an update."""
