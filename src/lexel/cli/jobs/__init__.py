"""The work of the commands: records in, results out."""
