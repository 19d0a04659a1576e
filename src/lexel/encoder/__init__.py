"""The encoder, written once: families of BERT described over a dozen primitives that each engine implements."""
