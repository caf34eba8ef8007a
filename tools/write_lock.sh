#!/usr/bin/env bash
# Writes requirements_lock.txt: the newest releases that pyproject.toml allows together.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet uv
cat > "$folder/lock" <<'END'
# What the Bazel targets are resolved to, for Python 3.11 on Linux, x86-64; `make lock` writes it.
# All extras but torch, whose wheels bring gigabytes of CUDA and which no target needs, and
# stable-baselines3, which needs it. NumPy is below 2.4 because of scalesim. pip users need no lock.
END
"$folder/bin/uv" --no-config pip compile --quiet --no-header --no-annotate --generate-hashes \
  --no-emit-index-url --only-binary :all: --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28 --extra dev --extra fuzz --extra scalesim pyproject.toml \
  >> "$folder/lock"
mv "$folder/lock" requirements_lock.txt
