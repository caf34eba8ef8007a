"""The main of every test target under Bazel: runs pytest on the files that it is given."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__)

if __name__ == "__main__":
    if HERE.is_symlink():  # Python followed it to where there is more than the target declares
        sys.path[:] = [path for path in sys.path if path != str(HERE.resolve().parent)]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # for what the tests start
    os.environ["HOME"] = os.environ["TEST_TMPDIR"]
    options = ["--import-mode=importlib", "-p", "no:cacheprovider", "-m", "not slow"]
    code = pytest.main([*options, *sys.argv[1:]])
    only_slow = code == pytest.ExitCode.NO_TESTS_COLLECTED
    sys.exit(0 if only_slow else code)
