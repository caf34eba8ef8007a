"""The main of every test target under Bazel: runs pytest on the files that it is given."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["--import-mode=importlib", *sys.argv[1:]]))
