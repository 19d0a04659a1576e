"""What a smaller or quantised form of a model costs beside the form that it was made from."""
