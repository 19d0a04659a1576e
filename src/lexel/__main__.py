"""``python -m lexel``: the command line, for launchers that start modules."""

import sys

from lexel.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
