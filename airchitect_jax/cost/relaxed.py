"""The cost model over continuous designs: smooth, with gradients, exact in the limit.

A relaxed design has real log2 rows and columns, real buffer sizes, and probabilities in place of
choices. Its costs are those of the exact equations, the same text, evaluated on soft numbers
(`airchitect_jax.cost.soft`): every size is uncertain by a share of itself, the temperature, and
every step of the model is replaced by its mean. Why each step has to be smoothed:

* fold counts are ceilings: their slope is zero almost everywhere, and hides that a larger array
  takes fewer folds;
* residency and spills are clipped at the buffer size: below it the slope is zero and hides how much
  is missing;
* a fold lasts as long as the slower of array and interface, a makespan as long as the slowest
  array: only the larger has a slope, so the others would never improve;
* the energy of an SRAM access is rounded to femtojoules.

At temperature zero all of these are exact wherever sizes are whole numbers and choices are made;
in practice a thousandth is close for GEMMs with dimensions of a few hundred.

Costs are floats, of any float dtype; unbatched, to be put under `vmap`, `grad` and `jit`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax._support import instance, is_traced, real_field, real_number
from airchitect_jax.cost import by_dataflow, schedule, soft
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.cost.energy import SramPrices
from airchitect_jax.cost.platform import Platform
from airchitect_jax.cost.soft import Soft
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Gemm, Memory

_LOG2_LARGEST = 31.0  # of the sides of an array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class RelaxedArray:
    """An array of real size that runs each dataflow with a probability.

    Attributes:
      log2_rows, log2_cols: logarithms of the sides.
      dataflow: probabilities in the order of `Dataflow`. A cost is the mean over them, linear, so
        that its gradient ranks the dataflows and a probability of one gives the exact cost.

    Example:
      >>> array = aj.RelaxedArray(log2_rows=5.0, log2_cols=5.0, dataflow=np.array([1.0, 0.0, 0.0]))
      >>> relaxation = aj.Relaxation(temperature=0.1)
      >>> cost = jax.jit(lambda gemm: relaxation.compute_cycles(gemm, array))
      >>> round(float(cost(aj.Gemm(m=64.0, n=64.0, k=64.0))))
      774
    """

    log2_rows: Float[Array, ""]
    log2_cols: Float[Array, ""]
    dataflow: Float[Array, "dataflows"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relaxation:
    """The amount of smoothing, and the exact model that is smoothed.

    Attributes:
      temperature: spread of every size as a share of it; positive. The spread of its logarithm in
        base 2 is 1.44 times that: at 0.5 a step of a power of two is barely visible.
      platform: the machine of the exact model.

    Raises:
      ValueError: the temperature is not allowed; a traced one is not checked.
      TypeError: the platform is of another type.

    Example:
      >>> gemm = aj.Gemm(m=64.0, n=64.0, k=64.0)
      >>> array = aj.RelaxedArray(log2_rows=5.0, log2_cols=5.0, dataflow=np.array([1.0, 0.0, 0.0]))
      >>> cost = jax.jit(lambda t: aj.Relaxation(temperature=t).compute_cycles(gemm, array))
      >>> [round(float(cost(temperature))) for temperature in (0.5, 0.1, 0.001)]
      [781, 774, 503]
    """

    temperature: Float[Array, ""] | float
    platform: Platform = dataclasses.field(default_factory=Platform)

    def __post_init__(self) -> None:
        if not is_traced(self.temperature):
            real_number("temperature", self.temperature, low=0, high=1e6)
        instance("platform", self.platform, Platform)

    def soften(self, size: Number) -> Soft:
        """A size, uncertain by a share of itself."""
        return Soft(size, self.temperature * abs(size))

    def shape(self, array: RelaxedArray) -> ArrayShape:
        """Its rows and columns as soft numbers."""
        return ArrayShape(
            rows=self.soften(2.0**array.log2_rows), cols=self.soften(2.0**array.log2_cols)
        )

    def soften_memory(self, memory: Memory) -> Memory:
        """The memory with soft buffers; bandwidth and element width are not for design."""
        return dataclasses.replace(memory, buffers=jax.tree.map(self.soften, memory.buffers))

    def compute_cycles(self, gemm: Gemm, array: RelaxedArray) -> Float[Array, ""]:
        """Stall-free cycles (`cost.compute.compute_cycles`), the mean over the dataflows.

        Args:
          gemm: m, n, k as floats: the slopes in these say which dimension costs most.
          array: the design.
        """
        _check(gemm, array)
        cycles = by_dataflow.compute_cycles(gemm, self.shape(array), self.platform)
        return array.dataflow @ cycles.mean

    def total_cycles(self, gemm: Gemm, array: RelaxedArray, memory: Memory) -> Float[Array, ""]:
        """Cycles with stalls (`cost.memory.total_cycles`), the mean over the dataflows.

        Args:
          gemm: m, n, k as floats.
          array: the design.
          memory: buffer sizes in bytes, bandwidth and element width, all as floats.
        """
        _check(gemm, array)
        _check_memory(memory)
        cycles = by_dataflow.total_cycles(
            gemm, self.shape(array), self.soften_memory(memory), self.platform
        )
        return array.dataflow @ cycles.mean

    def stall_cycles(self, gemm: Gemm, array: RelaxedArray, memory: Memory) -> Float[Array, ""]:
        """Total cycles less compute cycles; arguments as for `total_cycles`."""
        return self.total_cycles(gemm, array, memory) - self.compute_cycles(gemm, array)

    def energy_fj(self, gemm: Gemm, array: RelaxedArray, memory: Memory) -> Float[Array, ""]:
        """Energy (`cost.energy.energy_fj`), the mean over the dataflows; femtojoules.

        Arguments as for `total_cycles`.
        """
        _check(gemm, array)
        _check_memory(memory)
        softened = self.soften_memory(memory)
        prices = self.sram_prices(softened.buffers)
        energy = by_dataflow.energy_fj(gemm, self.shape(array), softened, self.platform, prices)
        return array.dataflow @ energy.mean

    def sram_prices(self, buffers: BufferSizes) -> SramPrices:
        """`EnergyTable.of_buffers` of soft sizes: a power law, rounded."""
        table = self.platform.energy_table

        def price(sram_bytes: Number) -> Soft:
            scale = (sram_bytes / table.sram_reference_bytes) ** table.sram_exponent
            return soft.floor(table.sram_pj_per_byte * 1000 * scale + 0.5)

        return SramPrices(
            ifmap_fj_per_byte=price(buffers.ifmap_sram_bytes),
            filter_fj_per_byte=price(buffers.filter_sram_bytes),
            ofmap_fj_per_byte=price(buffers.ofmap_sram_bytes),
        )

    def makespan(
        self,
        cycles: Float[Array, "workloads arrays dataflows"],
        assignment: Float[Array, "arrays workloads"],
        dataflow: Float[Array, "arrays dataflows"],
    ) -> Float[Array, ""]:
        """The latest finish (`cost.schedule.makespan`) of arrays with random workloads.

        Args:
          cycles: of each workload on each array with each dataflow, as floats.
          assignment: the probability that an array runs a workload; doubly stochastic.
          dataflow: the probability that an array runs a dataflow.
        """
        shape = {"cycles": 3, "assignment": 2, "dataflow": 2}
        given = {"cycles": cycles, "assignment": assignment, "dataflow": dataflow}
        for name, axes in shape.items():
            real_field(name, given[name])  # finite differences leave the simplex
            if np.ndim(given[name]) != axes:
                raise ValueError(
                    f"{name}: the shape {np.shape(given[name])} is not allowed; expected {axes}"
                    " axes"
                )
        loads = jnp.einsum("wad,aw,ad->a", cycles, assignment, dataflow)
        return jnp.asarray(schedule.makespan([self.soften(load) for load in loads]).mean)


def sensitivity(cost: Callable[[Gemm], Float[Array, ""]], gemm: Gemm) -> Gemm:
    """By how many percent a cost grows with each dimension, per percent: d log cost / d log dim.

    Args:
      cost: a relaxed cost of a GEMM, for example `Relaxation.compute_cycles` on some design.
      gemm: m, n, k as floats.

    Raises:
      ValueError: a dimension is less than one; traced ones are not checked.
      TypeError: an argument is of another type.

    Example:
      >>> array = aj.RelaxedArray(log2_rows=5.0, log2_cols=5.0, dataflow=np.array([1.0, 0.0, 0.0]))
      >>> relaxation = aj.Relaxation(temperature=0.1)
      >>> cost = lambda gemm: relaxation.compute_cycles(gemm, array)
      >>> found = jax.jit(lambda gemm: aj.sensitivity(cost, gemm))(aj.Gemm(m=64.0, n=64.0, k=64.0))
      >>> round(float(found.m), 2), round(float(found.n), 2), round(float(found.k), 2)
      (1.07, 1.07, 0.51)
    """
    if not callable(cost):
        raise TypeError(f"cost: {type(cost).__name__} is not allowed; expected a function")
    _check_gemm(gemm, low=1)

    def log_cost(logs: Gemm) -> Float[Array, ""]:
        return jnp.log(cost(jax.tree.map(jnp.exp, logs)))

    return jax.grad(log_cost)(jax.tree.map(jnp.log, gemm))


def _check(gemm: Gemm, array: RelaxedArray) -> None:
    """Refuses invalid designs; tracers have no value to check."""
    _check_gemm(gemm)
    instance("array", array, RelaxedArray)
    for name in ("log2_rows", "log2_cols"):
        real_field(name, getattr(array, name), low=-1, high=_LOG2_LARGEST)
    real_field("dataflow", array.dataflow)  # finite differences leave the simplex
    if np.shape(array.dataflow) != (len(Dataflow),):
        raise ValueError(
            f"dataflow: the shape {np.shape(array.dataflow)} is not allowed; expected"
            f" ({len(Dataflow)},)"
        )


def _check_memory(memory: Memory) -> None:
    instance("memory", memory, Memory)
    buffers = instance("memory: buffers", memory.buffers, BufferSizes)
    for field in dataclasses.fields(buffers):
        real_field(field.name, getattr(buffers, field.name), low=0)
    for name in ("bandwidth_bytes_per_cycle", "element_bytes"):
        real_field(name, getattr(memory, name), low=0)


def _check_gemm(gemm: Gemm, low: float = 0) -> None:
    instance("gemm", gemm, Gemm)
    for name in ("m", "n", "k"):
        real_field(name, getattr(gemm, name), low=low)
