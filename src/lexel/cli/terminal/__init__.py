"""What is shown on a terminal, and how a command ends."""
