"""Redaction: which stretches of a text say who somebody is (``patterns``), and what stands in their place."""
