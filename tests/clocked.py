"""A fourth case study: array shape, dataflow and clock divider under a power budget."""

import dataclasses

from airchitect_jax._support import register
from airchitect_jax.case_studies import CaseStudy, Feature
from airchitect_jax.cost import compute_cycles
from airchitect_jax.spaces.grid import Axis, GridSpace
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, RuntimeModel
from airchitect_jax.workloads import Distribution

SIDES = tuple(2**exponent for exponent in range(1, 12))
SPACE = GridSpace(
    axes=(
        Axis(name="rows", values=SIDES),
        Axis(name="cols", values=SIDES),
        Axis(name="dataflow", values=tuple(Dataflow), is_choice=True),
        Axis(name="clock_divider", values=(1, 2, 4)),
    ),
    allowed=lambda c: c["rows"] * c["cols"] <= 4096,
    tie_order=lambda c: [c["rows"] * c["cols"], -c["clock_divider"]],
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClockedCase(CaseStudy):
    """Fewest clock periods; MAC units times clock rate may not exceed the power budget."""

    max_dim: int = 1000
    distribution: Distribution = Distribution.UNIFORM
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM

    name = "clocked"
    title = "array shape, dataflow and clock divider"
    space = SPACE

    @property
    def features(self):
        budget = Feature(name="power_budget", low=4, high=1024, is_constraint=True)
        return (budget, *(Feature(name=d, low=1, high=self.max_dim) for d in "mnk"))

    def cost(self, workload, design):
        gemm = Gemm(m=workload["m"], n=workload["n"], k=workload["k"])
        array = ArrayShape(rows=design["rows"], cols=design["cols"])
        cycles = compute_cycles(gemm, array, design["dataflow"], self.runtime_model)
        return cycles * design["clock_divider"]

    def fits(self, workload, design):
        macs = design["rows"] * design["cols"]
        return macs <= workload["power_budget"] * design["clock_divider"]


register("case_study", "clocked", ClockedCase)
