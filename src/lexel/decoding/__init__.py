"""From scores to words, spans and groups: pure numpy, a whole batch at a time."""
