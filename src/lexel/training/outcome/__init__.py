"""What a run leaves behind: the finished folder, its records and plots."""
