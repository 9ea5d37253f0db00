"""Plays all faults and compares them with `docs/faults.md`; with `--write`, writes it.

python -m tests.faults --write
"""

import argparse
import sys

import pytest

RUN = ["tests/faults/test_faults.py", "--quiet"]
WRITE = ["--write-faults", "--deselect", "tests/faults/test_faults.py::TestFile"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/faults.md")
    return pytest.main(RUN + (WRITE if parser.parse_args().write else []))


if __name__ == "__main__":
    sys.exit(main())
