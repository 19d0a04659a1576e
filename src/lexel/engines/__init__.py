"""Engines: what computes the encoder. Each implements ``lexel.encoder.ops.Ops`` and the contract in ``base``."""
