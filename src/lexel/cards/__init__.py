"""Model cards: everything a reader must know about a model folder, from the facts that its files record."""
