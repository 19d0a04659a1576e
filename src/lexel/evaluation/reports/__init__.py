"""Results for the terminal, as JSON and as HTML pages."""
