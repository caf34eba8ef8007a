"""Writes testdata/scalesim_runs: small runs of the scalesim package, with what it wrote.

python tests/write_scalesim_runs.py PYTHON_WITH_SCALESIM
"""

import json
import pathlib
import sys
import tempfile

from test_scalesim_runs import FOLDER, kept

from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.studies.scalesim_validation import KINDS
from airchitect_jax.studies.scalesim_validation.random_files import random_files

RUNS_A_KIND = 6
MOST_LINES = 1200
MOST_BYTES = 4000


def record_of(kind, seed, package):
    """The inputs and results of a run: reports as text, traces as SHA-256; None if it is long."""
    files = random_files(kind, seed)
    with tempfile.TemporaryDirectory() as folder:
        output = package.run(files.write(pathlib.Path(folder, "run")))
    latencies = {name: values.tolist() for name, values in files.latencies.items()}
    record = {
        "kind": kind,
        "seed": seed,
        "gemm": files.gemm,
        "traces": files.traces,
        "config": files.config,
        "topology": files.topology,
        "layout": files.layout,
        "latencies": latencies,
        "error": output.error,
        "files": kept(output.files),
    }
    inputs = len(files.config + files.topology + files.layout + json.dumps(latencies))
    return record if sum(output.lines) < MOST_LINES and inputs < MOST_BYTES else None


def main():
    FOLDER.mkdir(exist_ok=True)
    with Package(sys.argv[1]) as package:
        for kind in KINDS:
            records, seed = [], 10_000
            while len(records) < RUNS_A_KIND:
                record = record_of(kind, seed, package)
                # Half of them with traces, and at most one that crashes.
                wanted = record and (record["traces"] or len(records) >= RUNS_A_KIND // 2)
                crashed = any(kept["error"] for kept in records)
                if wanted and not (record["error"] and crashed):
                    records.append(record)
                seed += 1
            path = FOLDER / f"{kind.replace(' ', '_')}.json"
            path.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
