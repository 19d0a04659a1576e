"""How a command ends: the statuses that a shell sees. The last four print no error on stderr."""

DONE = 0
FAILED = 1
"""An error, told in one line."""
MISUSED = 2
"""Arguments that are none, told in one line with the nearest that is."""
HUNG_UP = 129
"""SIGHUP: the terminal was closed."""
INTERRUPTED = 130
"""SIGINT: Ctrl-C."""
PIPE_BROKEN = 141
"""SIGPIPE: the reader of the output went away."""
TERMINATED = 143
"""SIGTERM: asked to end."""
