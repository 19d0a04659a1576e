"""The options of the commands, a dataclass a group."""
