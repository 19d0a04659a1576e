"""The options of the commands, one dataclass per group."""
