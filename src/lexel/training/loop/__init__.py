"""The training loop: steps, the optimiser, checkpoints."""
