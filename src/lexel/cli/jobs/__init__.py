"""The work of the commands: reads records and writes results."""
