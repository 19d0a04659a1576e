"""What happens before the first step: files, labels, the model, and the plan of a dry run."""
