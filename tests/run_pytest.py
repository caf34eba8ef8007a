"""The main of every test target under Bazel: runs pytest on the files that it is given."""

import os
import sys

# This file's folder, with links followed: there is what the target does not declare.
if not sys.flags.safe_path:
    del sys.path[0]

import pytest

if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # for what the tests start
    os.environ["HOME"] = os.environ["TEST_TMPDIR"]
    options = ["--import-mode=importlib", "-p", "no:cacheprovider", "-m", "not slow"]
    sys.exit(pytest.main([*options, *sys.argv[1:]]))
