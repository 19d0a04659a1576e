"""Lexel inside other libraries: one file a library, each imported only by who uses that library."""
