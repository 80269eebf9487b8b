"""`python -m gmosn`: see cli.py."""
import sys

from gmosn.cli import main

if __name__ == "__main__":
    sys.exit(main())
