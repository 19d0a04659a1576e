"""From labelled files to batches: features, the heads with their labels, sequences, rows."""
