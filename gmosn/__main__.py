"""`python -m gmosn`: see cli.py."""
from gmosn.cli import program

if __name__ == "__main__":
    program()
