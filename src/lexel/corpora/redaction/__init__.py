"""Redaction: finding the parts of a text that identify a person (``patterns``), and replacing them."""
