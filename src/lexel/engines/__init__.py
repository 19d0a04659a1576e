"""Engines compute the encoder. Each implements ``lexel.encoder.ops.Ops`` and the contract in ``base``."""
