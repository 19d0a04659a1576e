"""The encoder, written once: the BERT families, described by a dozen primitives that each engine implements."""
