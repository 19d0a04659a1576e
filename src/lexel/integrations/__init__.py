"""Integrations into other libraries: one file per library, imported only when you use that library."""
