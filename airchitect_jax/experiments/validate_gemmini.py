"""Compare predicted cycles with those of Gemmini's RTL.

Reads measurements in the format of DOSA's data and predicts them from layer, mapping and machine:
with equations that are fitted to nothing, and calibrated. A calibration is fitted to the
measurements given and the 148 packaged ones, without those of the machine that is predicted or, in
the second split, without those of the layer. Writes summary.json, predictions.csv, validation.md, a
figure, and calibration.json, which is fitted to all of them.

  airchitect validate_gemmini --data=layers_16x16_a.csv --data=layers_16x16_b.csv
  airchitect validate_gemmini  # the packaged measurements
"""

from __future__ import annotations

import pathlib

import rich.console
from absl import flags

from airchitect_jax._support import files, workdir
from airchitect_jax._support.progress import Progress
from airchitect_jax.experiments import runner
from airchitect_jax.reporting.style import save_figures, to_svg
from airchitect_jax.studies.gemmini import (
    calibration_json,
    markdown,
    packaged_measurements,
    page,
    pooled,
    predict,
    predictions_csv,
    read_measurements,
    rich_tables,
    summarize,
)
from airchitect_jax.studies.gemmini.figure import measured_figure

flags.adopt_module_key_flags(runner)
flags.set_default(runner.WORKDIR, "runs/validate_gemmini")

DATA = flags.DEFINE_multi_string(
    "data",
    [],
    "Measurements (.csv) to predict; may be given several times. By default the packaged ones.",
)
_FIGURE = "validate_gemmini"


def main(console: rich.console.Console) -> None:
    """Flags to library to workdir."""
    packaged = packaged_measurements()
    given = [row for path in DATA.value for row in read_measurements(pathlib.Path(path))]
    rows = given or packaged
    with workdir.claim(
        runner.WORKDIR.value,
        "validate_gemmini",
        runner.values(runner.SEED, runner.WORKDIR, DATA),
        resume=True,  # the same settings may be run again
        free={"workdir"},
    ) as folder:
        with Progress(console, "calibrating") as progress:
            predictions = predict(
                rows,
                packaged,
                seed=runner.SEED.value,
                progress=lambda done, total: progress.show("split", done, total, 0.0, "fitting"),
            )
        summary = summarize(predictions)
        files.write_json(folder / "summary.json", summary)
        files.write_json(folder / "calibration.json", calibration_json(pooled(rows, packaged)))
        files.write_text(folder / "predictions.csv", predictions_csv(predictions))
        files.write_text(folder / "validation.md", markdown(summary, [_FIGURE]))
        figure = measured_figure(predictions)
        save_figures(folder, {_FIGURE: figure})
        config = runner.values(runner.SEED, runner.WORKDIR, DATA)
        files.write_text(folder / "report.html", page(summary, to_svg(figure, _FIGURE), config))
        for table in rich_tables(summary):
            console.print(table)
        runner.say(console, f"{folder}: report.html, summary.json, predictions.csv, figures")


if __name__ == "__main__":
    runner.run_main(main, interrupted="Run the same command again.")
