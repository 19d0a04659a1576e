"""Runners make shards: with processes of this machine (``local``), or on a Ray cluster (``ray``)."""
