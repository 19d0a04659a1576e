"""One file a family: which weights it asks for, by the checkpoint's own names, and which bricks it uses."""
