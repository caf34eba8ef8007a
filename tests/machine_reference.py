"""The best machine of a small space from all machines and all their schedules; slow and obvious."""

import dataclasses
import itertools
import math
import random
from typing import NamedTuple

import numpy as np
from mapping_reference import TERMS, all_mappings, as_mapping

from airchitect_jax.cost import (
    Platform,
    Technology,
    VectorUnit,
    Widths,
    area_um2,
    machine_prices,
    mapping_fits,
    operator_costs,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.oracle.machines import Budgets, MachineObjective, Question, run_of, value_of
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.spaces.hardware import OPERAND_SRAMS, SCRATCHPAD
from airchitect_jax.types import Dataflow, Gemm, OperatorKind, RuntimeModel
from airchitect_jax.workloads import GemmCounts, Operator


class Machine(NamedTuple):
    """A machine and its schedules.

    Attributes:
      at: its place on each axis.
      values: by axis.
      num_macs, sram_bytes: of all cores.
      area_um2, leakage: of the machine; leakage in femtojoules per cycle.
      totals: (array cycles, switching energy of the arrays) of the schedules that no other beats.
      operators: cycles and switching energy.
    """

    at: tuple
    values: dict
    num_macs: int
    sram_bytes: int
    area_um2: int
    leakage: int
    totals: list
    operators: tuple


def front(points):
    """The points that no other point beats in both coordinates, by the first."""
    kept = []
    for point in sorted(points):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept


def every_machine(question):
    """All machines of a question's space, without regard to budgets."""
    platform = question.platform
    axes = platform.hardware.axes
    memories = platform.hardware.memory_fields
    largest = {name: axes[name][-1] for name in memories}
    machines = []
    known = {}  # mappings and costs, which depend on memories by what fits only
    for at in itertools.product(*(range(len(values)) for values in axes.values())):
        values = {name: choices[i] for (name, choices), i in zip(axes.items(), at, strict=True)}
        hardware = platform.hardware_of(**values)
        full = machine_prices(hardware, platform)
        prices = full._replace(leakage_fj_per_cycle=0)
        totals = [(0, 0)]
        for dims, runs in zip(question.gemms.gemms, question.gemms.counts, strict=True):
            gemm = Gemm(m=dims[0], n=dims[1], k=dims[2])
            key = dims, *(value for name, value in values.items() if name not in memories)
            if key not in known:
                roomy = platform.hardware_of(**values | largest)
                mappings = as_mapping(all_mappings(dims, roomy, platform))
                known[key] = mappings, tiled_costs(gemm, mappings, roomy, platform)
            mappings, costs = known[key]
            fits = mapping_fits(mappings, hardware, platform)
            cycles = np.broadcast_to(costs.total_cycles, fits.shape)[fits]
            energy = np.broadcast_to(tiled_energy_fj(gemm, costs, platform, prices), fits.shape)
            own = front(zip(cycles.tolist(), energy[fits].tolist(), strict=True))
            totals = front({(t + runs * c, d + runs * e) for t, d in totals for c, e in own})
        operators = [
            (operator_costs(one, hardware, platform, prices), runs)
            for one, runs in question.operators
        ]
        cores = values["num_cores"]
        machines.append(
            Machine(
                at=at,
                values=values,
                num_macs=values["rows"] * values["cols"] * cores,
                sram_bytes=cores * sum(values[name] for name in memories),
                area_um2=int(area_um2(hardware, platform).total_um2),
                leakage=full.leakage_fj_per_cycle,
                totals=totals,
                operators=(
                    sum(cost.cycles * runs for cost, runs in operators),
                    sum(cost.energy_fj * runs for cost, runs in operators),
                ),
            )
        )
    return machines


def num_mappings(dims, num_cores, num_dataflows):
    """Mappings with any memories: partitions, trips, orders of the loops of several trips."""
    total = 0
    for cores in itertools.product(range(1, num_cores + 1), repeat=3):
        if math.prod(cores) <= num_cores:
            shares = [math.ceil(dim / parts) for dim, parts in zip(dims, cores, strict=True)]
            trips = [{math.ceil(share / tile) for tile in range(1, share + 1)} for share in shares]
            for each in itertools.product(*trips):
                total += math.factorial(sum(number > 1 for number in each))
    return total * num_dataflows


def num_points(question):
    """Pairs of a machine and a mapping of each GEMM."""
    columns = question.platform.hardware.columns()
    flows = len(question.platform.dataflows)
    return sum(
        math.prod(num_mappings(dims, cores, flows) for dims in question.gemms.gemms)
        for cores in columns["num_cores"].tolist()
    )


def large_question(objective):
    """A question about 2.8 million machines, which takes a second or so to answer."""
    space = HardwareSpace(
        rows=tuple(range(4, 65, 4)),
        cols=tuple(range(4, 65, 4)),
        num_cores=(1, 2),
        bandwidth_bytes_per_second=(4 * 10**9, 16 * 10**9),
        **{
            f"{name}_sram_bytes": tuple(round(1024 * 1.5**i) for i in range(14))
            for name in ("ifmap", "filter", "ofmap")
        },
    )
    return Question(
        platform=Platform(hardware=space),
        gemms=GemmCounts(
            gemms=((300, 64, 147), (196, 256, 96), (49, 128, 512), (1, 1000, 512)),
            counts=(2, 3, 5, 1),
        ),
        objective=objective,
        budgets=Budgets(area_budget_um2=2 * 10**6),
    )


def runs_of(question, machine):
    """Runs of the schedules within the budgets: (cycles, energy)."""
    budgets = question.budgets
    for value, limit in (
        (machine.num_macs, budgets.mac_budget),
        (machine.sram_bytes, budgets.sram_budget_bytes),
        (machine.area_um2, budgets.area_budget_um2),
    ):
        if limit is not None and value > limit:
            return []
    join = max if question.platform.vector_unit.overlapped else int.__add__
    runs = [
        run_of(
            question,
            join(cycles, machine.operators[0]),
            energy + machine.operators[1],
            machine.leakage,
        )
        for cycles, energy in machine.totals
    ]
    return [run for run in runs if run is not None]


def cost_of(question, machine):
    """The least cost of a machine; infinite if no schedule is within the budgets."""
    runs = runs_of(question, machine)
    return min((value_of(question, run, machine.area_um2) for run in runs), default=math.inf)


def draw(seed):
    """A random question without budgets, about a small space."""
    r = random.Random(seed)

    def some(*choices, most=2):
        return tuple(sorted(r.sample(choices, r.randint(1, min(most, len(choices))))))

    def sizes():
        return {r.choice([r.randint(2, 200), r.randint(12, 2000)]) for _ in range(4)}

    def space():
        shared = r.random() < 0.5
        names = SCRATCHPAD if shared else OPERAND_SRAMS
        return HardwareSpace(
            rows=some(1, 2, 3, 4, 8, most=3),
            cols=some(1, 2, 4, 5, 8, most=3),
            num_cores=r.choice([(1,), (2,), (1, 2), (1, 3)]),
            bandwidth_bytes_per_second=some(10**9, 2 * 10**9, 7 * 10**9, 64 * 10**9),
            **{name: some(*sizes(), most=4 if shared else 3) for name in names},
        )

    spaces = (space() for _ in itertools.count())
    kinds = list(OperatorKind)
    platform = Platform(
        hardware=next(one for one in spaces if one.num_designs <= 48),
        clock_hz=r.choice([10**9, 7 * 10**8]),
        widths=Widths(
            input_bits=r.choice([4, 8, 16]),
            weight_bits=r.choice([4, 8, 16]),
            accumulator_bits=r.choice([16, 32]),
            output_bits=r.choice([8, 16]),
        ),
        vector_unit=VectorUnit(
            lanes=r.choice([1, 4, 16]),
            fused=(r.choice(kinds),),
            overlapped=r.random() < 0.5,
        ),
        technology=Technology(
            node_nm=r.choice([22.0, 45.0]),
            dram=r.choice(["DDR4", "HBM2"]),
            leakage_mw_per_mm2=r.choice([None, None, 0.0, 2000.0]),
            sram_pj_per_byte=r.choice([None, None, None, 1.5]),
        ),
        dataflows=tuple(r.sample(list(Dataflow), r.randint(1, 3))),
        runtime_model=r.choice(list(RuntimeModel)),
        terms=r.choice([(), (), TERMS]),
    )
    gemms = [
        tuple(r.choice([r.randint(1, 5), r.randint(1, 12)]) for _ in range(3))
        for _ in range(r.randint(1, 3))
    ]
    operators = [
        Operator(
            name="operator",
            kind=r.choice(kinds),
            operations=r.randint(0, 2000),
            input_elements=r.randint(0, 500),
            output_elements=r.randint(1, 500),
        )
        for _ in range(r.randint(0, 2))
    ]
    return Question(
        platform=platform,
        gemms=GemmCounts.of(gemms, [r.randint(1, 4) for _ in gemms]),
        operators=tuple((one, r.randint(1, 3)) for one in operators),
    )


def with_budgets(question, machines, seed):
    """The question with an objective and budgets that bind, mostly: between what machines have."""
    r = random.Random(seed)

    def between(figures):
        return r.choice(sorted(figures))

    clock = question.platform.clock_hz
    runs = [run for machine in machines for run in runs_of(question, machine)]
    cycles, energy = between(runs) if runs else (1, 1)
    budgets = {
        "mac_budget": between(machine.num_macs for machine in machines),
        "sram_budget_bytes": between(machine.sram_bytes for machine in machines),
        "area_budget_um2": between(machine.area_um2 for machine in machines),
        "latency_budget_s": (cycles + 0.5) / clock,
        "power_budget_w": energy / cycles * clock / 1e15 * r.uniform(0.5, 1.1),
    }
    names = r.sample(sorted(budgets), r.choice([1, 1, 2, 3]))
    return dataclasses.replace(
        question,
        objective=r.choice(list(MachineObjective)),
        budgets=Budgets(**{name: budgets[name] for name in names}),
    )
