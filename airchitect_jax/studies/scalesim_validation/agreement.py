"""Agreement of the replay with the package, by quantity."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float

from airchitect_jax.scalesim import PackageRun, ReplayReport
from airchitect_jax.studies.scalesim_validation.runs import Runs, replayed
from airchitect_jax.types import ArrayShape, Dataflow, Gemm

QUANTITIES = tuple(field.name for field in dataclasses.fields(ReplayReport))
# Both sides round: the same quotient is computed in another order.
ROUNDING = 1e-12


class Simulate(Protocol):
    """The package, or what stands in for it: `scalesim.run_gemm` with a `Package`."""

    def __call__(
        self,
        gemm: Gemm,
        array: ArrayShape,
        dataflow: Dataflow,
        *,
        ifmap_sram_kb: int,
        filter_sram_kb: int,
        ofmap_sram_kb: int,
        bandwidth_words_per_cycle: int | None,
    ) -> PackageRun:
        """One run."""
        ...


def simulate_run(simulate: Simulate, runs: Runs, row: int) -> PackageRun:
    """One of the runs, by the package."""
    run = {name: int(field) for name, field in vars(runs[row]).items()}
    return simulate(
        Gemm(m=run["m"], n=run["n"], k=run["k"]),
        ArrayShape(rows=run["rows"], cols=run["cols"]),
        Dataflow(run["dataflow"]),
        ifmap_sram_kb=run["ifmap_sram_kb"],
        filter_sram_kb=run["filter_sram_kb"],
        ofmap_sram_kb=run["ofmap_sram_kb"],
        bandwidth_words_per_cycle=run["bandwidth"] or None,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """Both sides of each run, fields of shape [runs].

    Attributes:
      runs: what was run.
      package, replay: what was reported.
      seconds: what the package took.
    """

    runs: Runs
    package: ReplayReport
    replay: ReplayReport
    seconds: Float[np.ndarray, "runs"]

    def equal(self, *quantities: str) -> Bool[np.ndarray, "runs"]:
        """Where both report the same values: counts exactly, ratios up to rounding."""
        equal = np.ones(len(self.runs), bool)
        for quantity in quantities:
            ours, theirs = getattr(self.replay, quantity), getattr(self.package, quantity)
            rounding = ROUNDING if ours.dtype.kind == "f" else 0
            equal &= np.isclose(ours, theirs, rtol=rounding, atol=0)
        return equal

    def mismatches(self) -> Iterator[dict[str, Any]]:
        """Run, quantity and both values of everything that differs."""
        for quantity in QUANTITIES:
            for row in np.flatnonzero(~self.equal(quantity)):
                yield {
                    "run": int(row),
                    "quantity": quantity,
                    "package": getattr(self.package, quantity)[row].item(),
                    "replay": getattr(self.replay, quantity)[row].item(),
                }


def agreement(runs: Runs, simulate: Simulate, progress: Callable[[int], None]) -> Agreement:
    """Runs the package on each run, one after the other, and the replay on all.

    Args:
      runs: at least one, fields of shape [runs].
      simulate: the package.
      progress: is called with how many runs are finished.
    """
    results = []
    for row in range(len(runs)):
        results.append(simulate_run(simulate, runs, row))
        progress(row + 1)
    package: dict[str, Any] = {
        name: np.stack([np.asarray(getattr(result.report, name)) for result in results])
        for name in QUANTITIES
    }
    return Agreement(
        runs=runs,
        package=ReplayReport(**package),
        replay=replayed(runs),
        seconds=np.array([result.seconds for result in results]),
    )
