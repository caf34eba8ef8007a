"""A small question, its best machines and their certificates."""

import functools
import json

from airchitect_jax.cost import Platform, VectorUnit
from airchitect_jax.oracle.machines import Budgets, Question, best_machine, certificate
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads import GemmCounts, Operator

KB = 1024
SOFTMAX = Operator(
    name="softmax",
    kind=OperatorKind.SOFTMAX,
    operations=5000,
    input_elements=1000,
    output_elements=1001,
)
GEMMS = GemmCounts(gemms=((100, 64, 147), (49, 128, 256), (1, 100, 512)), counts=(1, 4, 2))
SPACE = HardwareSpace(
    rows=(4, 8, 16),
    cols=(4, 8, 24),
    num_cores=(1, 2),
    ifmap_sram_bytes=(2 * KB, 4 * KB, 16 * KB),
    filter_sram_bytes=(2 * KB, 16 * KB),
    ofmap_sram_bytes=(2 * KB, 4 * KB),
    bandwidth_bytes_per_second=(10**9, 4 * 10**9),
)
LITTLE = Platform(name="little", hardware=SPACE, vector_unit=VectorUnit(lanes=4))


def question(platform=LITTLE, gemms=GEMMS, **fields):
    return Question(platform=platform, gemms=gemms, operators=((SOFTMAX, 3),), **fields)


@functools.cache
def solved(objective, budgets=Budgets()):  # noqa: B008 - frozen
    asked = question(objective=objective, budgets=budgets)
    return asked, best_machine(asked)


def content_of(asked, optimum):
    """What a file would hold."""
    return json.loads(json.dumps(certificate(asked, optimum)))
