"""The tasks. Each uses the flow in ``base`` and adds its head, its decoding and its result."""
