"""Score predictions on a fixed test set by the exact model (docs/pretrained.md).

Prints accuracy, optimal-set accuracy, which counts ties, and normalized performance, beside choices
that take no learning. An infeasible design counts as wrong.

  airchitect score --set=case_study1 --predictions=mine.csv --output=score.json
"""

from __future__ import annotations

import pathlib

import rich.console
import rich.table
from absl import flags

from airchitect_jax._support import files
from airchitect_jax.experiments import script
from airchitect_jax.test_sets import fixed_set, fixed_set_names, read_predictions

SET = flags.DEFINE_enum("set", None, fixed_set_names(), "The test set.", required=True)
PREDICTIONS = flags.DEFINE_string(
    "predictions",
    None,
    "A .csv or .parquet file with one row per question: id (or all rows in order), and design_id or"
    " the parameters of the design, such as rows, cols and dataflow.",
    required=True,
)
OUTPUT = flags.DEFINE_string("output", None, "A JSON file for the metrics.")

_COLUMNS = {
    "accuracy": "accuracy",
    "optimal_set_accuracy": "optimal set",
    "geomean_normalized_performance": "geomean",
    "p01_normalized_performance": "p1",
    "min_normalized_performance": "lowest",
    "infeasible_share": "infeasible",
}


def main(console: rich.console.Console) -> None:
    """Flags to library."""
    fixed = fixed_set(SET.value)
    report = fixed.report(read_predictions(pathlib.Path(PREDICTIONS.value), fixed))
    table = rich.table.Table(f"{fixed.name}, {report['num']:,} questions", *_COLUMNS.values())
    for name, metrics in {"these predictions": report, **report["floors"]}.items():
        cells = (f"{metrics[key]:.3%}" if key in metrics else "" for key in _COLUMNS)
        table.add_row(name, *cells)
    console.print(table)
    if OUTPUT.value is not None:
        files.write_json(pathlib.Path(OUTPUT.value), report)


if __name__ == "__main__":
    script.run(main, "give the same command again")
