"""Converts models to other formats and smaller sizes."""
