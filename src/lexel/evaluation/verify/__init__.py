"""The claims of a model card, run again."""
