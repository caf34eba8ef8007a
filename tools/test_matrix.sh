#!/usr/bin/env bash
# Installs the wheel with each Python that is there, bare and with all extras, and runs commands as a
# user does, in a folder that has a package named experiments as well. Arguments: interpreters.
#   tools/test_matrix.sh                        # python3.11, python3.12 and python3.13
#   tools/test_matrix.sh python3.12 /opt/python3.14/bin/python
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- python3.11 python3.12 python3.13
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/user/experiments"
echo 'raise RuntimeError("this package is not ours")' > "$folder/user/experiments/__init__.py"
cd "$folder/user"

# The wheel, from sources that lack what Git does not track.
mkdir "$folder/source"
git -C "$here" archive HEAD | tar -x -C "$folder/source"
"$1" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$folder/source"
wheel=$(echo "$folder"/*.whl)
"$1" - "$wheel" << 'END'
import sys, zipfile
names = {name.split("/")[0] for name in zipfile.ZipFile(sys.argv[1]).namelist()}
assert {name for name in names if not name.endswith(".dist-info")} == {"airchitect_jax"}, names
END

run() { # a command of the environment, quietly
  echo "  $*"
  "$bin/$1" "${@:2}" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
}

for python in "$@"; do
  "$python" -c 'import sys; print(f"Python {sys.version.split()[0]}")'
  rm -rf "$folder/venv" runs
  "$python" -m venv "$folder/venv"
  bin=$folder/venv/bin
  run pip install --quiet "$wheel"
  run airchitect --help
  run airchitect recommend --workload=resnet50 --workdir=runs/bare
  [ ! -e runs/bare/figures ] && [ -e runs/bare/report.html ]
  run airchitect optimize --workload=dlrm --area_budget=5mm2 --workdir=runs/bare_optimize
  run pip install --quiet 'airchitect-jax[all]' # as errors and docs say, published or not
  run airchitect recommend --workload=resnet50 --workdir=runs/recommend
  [ -e runs/recommend/figures ]
  run airchitect case_study1 --preset=smoke --workdir=runs/smoke
  run airchitect label_workloads --sample=100000 --workdir=runs/labels
  run airchitect compare_search --searchers=random,tpe,cma_es --num_workloads=5 --seeds=1 --workdir=runs/search
  run airchitect design_space --case_study=1 --num_workloads=10000 --workdir=runs/space
  "$bin/python" -c 'import jax, numpy; print(f"  jax {jax.__version__}, numpy {numpy.__version__}: all passed")'
done
