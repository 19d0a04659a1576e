"""Exit statuses of commands. The last four print no error on stderr."""

DONE = 0
FAILED = 1
"""An error, reported in one line."""
MISUSED = 2
"""Wrong arguments, reported in one line with a similar correct one."""
HUNG_UP = 129
"""SIGHUP: the terminal was closed."""
INTERRUPTED = 130
"""SIGINT: Ctrl-C."""
PIPE_BROKEN = 141
"""SIGPIPE: the reader of the output has closed it."""
TERMINATED = 143
"""SIGTERM: asked to stop."""
