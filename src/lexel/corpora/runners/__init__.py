"""What has shards made: processes of this machine (``local``), or a Ray cluster (``ray``)."""
