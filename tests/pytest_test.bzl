"""Tests: one target for each test file, all with the same main."""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_test(name, deps = [], **kwargs):
    """A test file NAME.py that pytest runs.

    Args:
      name: of the file, without its ending.
      deps: what it imports, beside pytest and the helpers of all tests.
      **kwargs: further arguments of py_test, such as data.
    """
    py_test(
        name = name,
        timeout = "long",  # most of it is compilation, where other tests run too
        srcs = [
            name + ".py",
            "run_pytest.py",
        ],
        args = ["tests/%s.py" % name],
        legacy_create_init = 0,
        main = "run_pytest.py",
        deps = deps + [
            ":support",
            "@pypi//pytest",
        ],
        **kwargs
    )
