"""From labelled files to batches: columns, heads with their labels, sequences and rows."""
