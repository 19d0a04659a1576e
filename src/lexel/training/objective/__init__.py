"""Losses, and the figures of evaluation during training."""
