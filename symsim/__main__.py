"""`python -m symsim`: the command line."""

import sys

from symsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
