"""The tasks: each walks the one flow in ``base`` and adds its head, its decoding and its result."""
