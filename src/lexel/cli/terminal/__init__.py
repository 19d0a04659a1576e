"""Output on a terminal, and exit statuses."""
