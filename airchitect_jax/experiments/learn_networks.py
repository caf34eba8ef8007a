"""Trains recommenders of one machine for a whole network, and tests them on families never seen.

Each family of packaged networks is left out once: a recommender is trained on synthetic networks,
random walks from the layers of the other families, and answers for the networks of that family, at
MAC budgets of 2^10, 2^12, 2^14 and 2^16 and several SRAM budgets. All answers are compared with the
exact optimum. At last a recommender is trained on all families, and its weights are written. The
recommenders are told costs: cycles of layers on arrays and memories.

Writes summary.json, regrets.csv, report.html, a figure, and weights.npz with weights.json. With
--resume, what is trained is not trained again.

  airchitect learn_networks --workdir=runs/networks
  airchitect learn_networks --preset=smoke --workdir=runs/smoke
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import time
from typing import Any

import numpy as np
import rich.console
from absl import flags

from airchitect_jax._support import files, workdir
from airchitect_jax.experiments import resume_flag, runner
from airchitect_jax.experiments.comparison_files import row_at
from airchitect_jax.learning.whole_networks import (
    FAMILIES,
    Designs,
    MachineRecommender,
    MachineTraining,
    all_cycles,
    from_arrays,
    milliseconds,
    packaged,
    within,
)
from airchitect_jax.recommendation import recommend
from airchitect_jax.reporting.style import save_figures, to_svg
from airchitect_jax.studies.whole_networks import (
    Settings,
    left_out,
    names_of,
    page,
    summary_of,
    tested,
    trained,
)
from airchitect_jax.studies.whole_networks.plots import regret_figure
from airchitect_jax.workloads import load_network

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(resume_flag)
flags.set_default(runner.WORKDIR, "runs/learn_networks")

PRESETS = {
    "smoke": Settings(
        training=MachineTraining(steps=40, networks_per_step=16, hidden=32, memory_hidden=16),
        num_validation=50,
    ),
    "default": Settings(training=MachineTraining(), num_validation=2000),
}
PRESET = flags.DEFINE_enum(
    "preset", "default", list(PRESETS), "Steps, sizes and validation; smoke is a quick check."
)
_FREE = {"workdir"}
_TIMED = ("bert_base", "resnet50", "llama3_8b_prefill_b1_c2048")
_BATCH = 256


def _fold(
    settings: Settings, family: str, designs: Designs, console: rich.console.Console
) -> dict[str, Any]:
    """Figures and rows of a family that training leaves out."""
    recommender, figures = trained(
        settings, left_out(family), designs, functools.partial(_say, console, f"without {family}")
    )
    rows = [{"family": family, **row} for row in tested(recommender, names_of([family]))]
    return {"figures": figures, "rows": rows}


def _say(console: rich.console.Console, what: str, row: dict[str, Any]) -> None:
    if row["step"] % 200 == 0:
        runner.say(
            console,
            f"{what}: step {row['step']}, {row['seconds']:.0f} s, losses {row['arrays']:.5f}"
            f" (arrays) and {row['memories']:.5f} (memories)",
        )


def _all(
    settings: Settings, designs: Designs, console: rich.console.Console, folder: pathlib.Path
) -> dict[str, Any]:
    """Figures of the recommender of all families, whose weights are written."""
    recommender, figures = trained(
        settings, list(FAMILIES), designs, functools.partial(_say, console, "all families")
    )
    arrays = recommender.arrays()
    with files.atomic_path(folder / "weights.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    training = settings.training
    config = {
        "hidden": training.hidden,
        "memory_hidden": training.memory_hidden,
        "threshold": recommender.threshold,
        "training": dataclasses.asdict(training),
        "families": list(FAMILIES),
        "environment": workdir.environment(),
    }
    files.write_json(folder / "weights.json", config)
    # Tested as it is stored.
    stored = from_arrays(
        arrays,
        hidden=training.hidden,
        memory_hidden=training.memory_hidden,
        threshold=recommender.threshold,
    )
    return {
        "figures": figures,
        "rows": tested(stored, names_of(list(FAMILIES))),
        "milliseconds": {name: _timed(stored, name) for name in _TIMED},
        "weights_bytes": (folder / "weights.npz").stat().st_size,
    }


def _timed(recommender: MachineRecommender, name: str) -> dict[str, float]:
    """Milliseconds per network: of the recommender, alone and in a batch, and of exact search."""
    designs, workload = recommender.designs, packaged(name)
    budget = (14, 3 * designs.buffers.num_levels)

    def search() -> None:
        recommend(load_network(name), mac_budget=1 << budget[0])

    def enumerate_designs() -> None:
        within(all_cycles(workload, designs), [budget], designs)

    return {
        "one": milliseconds(lambda: recommender.answers([workload], [budget])),
        "batch": milliseconds(lambda: recommender.answers([workload] * _BATCH, [budget] * _BATCH))
        / _BATCH,
        "certify": milliseconds(
            lambda: recommender.certify(recommender.predict(workload, mac_budget=2**14), workload)
        ),
        "recommend": milliseconds(search),
        "compiled_enumeration": milliseconds(enumerate_designs),
    }


def main(console: rich.console.Console) -> None:
    """Flags to library to workdir."""
    began = time.perf_counter()
    chosen = PRESETS[PRESET.value]
    training = dataclasses.replace(chosen.training, seed=runner.SEED.value)
    settings = dataclasses.replace(chosen, training=training)
    designs = Designs()
    config = runner.values(runner.SEED, runner.WORKDIR, PRESET)
    with runner.claim(
        "learn_networks", config, resume=resume_flag.RESUME.value, free=_FREE
    ) as folder:
        folds = {}
        for family in FAMILIES:
            name = family.replace(" ", "_")
            folds[family] = row_at(
                folder / "folds" / f"{name}.json",
                functools.partial(_fold, settings, family, designs, console),
            )
            found = summary_of(folds[family]["rows"], designs)["default_sram"]["one_shot"]
            runner.say(
                console,
                f"{family}, never seen: regret {found['median']:.3%} (median),"
                f" {found['max']:.3%} (largest)",
            )
        whole = row_at(
            folder / "folds" / "all.json",
            functools.partial(_all, settings, designs, console, folder),
        )
        rows = [row for fold in folds.values() for row in fold["rows"]]
        summary = {
            "never_seen": summary_of(rows, designs),
            "all_families": summary_of(whole["rows"], designs),
            "folds": {family: fold["figures"] for family, fold in folds.items()},
            "final": whole["figures"],
            "milliseconds_per_network": whole["milliseconds"],
            "weights_bytes": whole["weights_bytes"],
            "synthetic_networks": training.steps * training.networks_per_step,
            "wall_seconds": round(time.perf_counter() - began, 1),
        }
        files.write_json(folder / "summary.json", summary)
        columns = list(rows[0])
        files.write_text(
            folder / "regrets.csv",
            files.csv_text([columns, *([row[name] for name in columns] for row in rows)]),
        )
        figure = regret_figure(rows, 3 * designs.buffers.num_levels)
        save_figures(folder, {"regrets": figure})
        svg = to_svg(figure, "regrets")
        files.write_text(folder / "report.html", page(rows, summary["never_seen"], config, svg))
        runner.say(console, json.dumps(summary["never_seen"]["default_sram"], indent=2))
        runner.say(console, f"{folder}: summary.json, regrets.csv, report.html, weights.npz")


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last finished training")
