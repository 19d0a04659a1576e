"""Everything that a run settles before its first step."""
