"""One file a wire: the shapes that a kind of client sends and expects."""
