"""Lock files made and renewed: what a model is, what it says of fixed texts, and what an update would change."""
