"""Runs `bazel test` with Debian's Bazel, without a network: `python -m tools.bazel_test`.

Bazel 4, which Debian packages, knows no Bazel modules. So this writes a workspace of links to the
tree, beside stand-ins for the repositories that MODULE.bazel names; third-party packages are those
of the Python that runs this. A newer Bazel needs none of it: there it is `bazel test //...`.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib

from tools import write_build

BAZEL, PACKAGE = "bazel-4", "bazel-bootstrap"
PUBLIC = 'package(default_visibility = ["//visibility:public"])\n'


def native(language: str, *rules: str) -> str:
    """A file that hands on rules that are part of Bazel 4."""
    return "".join(f"{language}_{rule} = native.{language}_{rule}\n" for rule in rules)


# The files of each repository. All but the first are for Bazel's own tools, which load them.
REPOSITORIES = {
    "rules_python": {
        "python/BUILD": "",
        "python/defs.bzl": native("py", "binary", "library", "test"),
    },
    "rules_cc": {
        "cc/BUILD": "",
        "cc/defs.bzl": native("cc", "binary", "library", "test", "toolchain", "toolchain_suite"),
    },
    "rules_java": {
        "java/BUILD": "",
        "java/defs.bzl": native("java", "binary", "import", "runtime", "toolchain"),
    },
    "remote_coverage_tools": {"BUILD": f'{PUBLIC}filegroup(name = "coverage_report_generator")\n'},
}


def install() -> None:
    """Installs Bazel where that is allowed, and says how to otherwise."""
    if not shutil.which(BAZEL):
        if os.getuid() or not shutil.which("apt-get"):
            sys.exit(
                f"error: {BAZEL} is not installed; Debian and Ubuntu: apt-get install {PACKAGE}"
            )
        subprocess.run(["apt-get", "install", "--yes", PACKAGE], check=True)  # noqa: S603, S607


def write_workspace(folder: pathlib.Path) -> pathlib.Path:
    """The workspace's folder. What earlier runs built there stays."""
    texts = [(path / "BUILD").read_text(encoding="utf-8") for path in write_build.FOLDERS]
    packages = set(re.findall(r'"@pypi//(\w+)"', "".join(texts)))
    pypi = {f"{name}/BUILD": f'{PUBLIC}py_library(name = "{name}")\n' for name in packages}
    repositories = REPOSITORIES | {"pypi": pypi}
    names = "".join(f'local_repository(name = "{n}", path = "../{n}")\n' for n in repositories)
    workspace = {"WORKSPACE": f'workspace(name = "airchitect_jax")\n{names}'}
    for name, files in {"workspace": workspace, **repositories}.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        for path, text in {"WORKSPACE": "", **files}.items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_text(text, encoding="utf-8")
    for entry in write_build.ROOT.iterdir():
        if not entry.name.startswith((".", "bazel-")):
            (folder / "workspace" / entry.name).symlink_to(entry)
    return folder / "workspace"


def main(arguments: list[str]) -> int:
    """Bazel's exit code; the arguments are its flags, and its targets if not all."""
    install()
    # The same folder in each run of a checkout: what has not changed is not tested again.
    name = f"airchitect_jax_bazel_{os.getuid()}_{zlib.crc32(bytes(write_build.ROOT.resolve())):08x}"
    folder = pathlib.Path(tempfile.gettempdir(), name)
    folder.mkdir(mode=0o700, exist_ok=True)
    # The interpreter without its environment, whose packages come last on the path: a library that
    # a target does not declare is not found, not even where this package is installed.
    python = pathlib.Path(sys.base_prefix, "bin")
    command = [BAZEL, "--batch", f"--output_user_root={folder}/output", "test"]
    command += ["--local_test_jobs=2", "--test_output=errors"]
    command += [f"--test_env=PYTHONPATH={sysconfig.get_path('purelib')}"]
    command += [f"--{kind}_env=PATH={python}:/usr/bin:/bin" for kind in ("action", "test")]
    command += arguments
    if not any(argument.startswith("//") for argument in arguments):
        command += ["//..."]
    return subprocess.run(command, cwd=write_workspace(folder)).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
