"""The choices that an answer depends on: dataflows, models, loop orders, objectives."""

from __future__ import annotations

import enum


class Dataflow(enum.IntEnum):
    """Which operand stays in the processing elements. The value is the id in tie order.

    Example:
      >>> [dataflow.name for dataflow in aj.Dataflow]
      ['OS', 'WS', 'IS']
    """

    OS = 0  # output stationary
    WS = 1  # weight stationary
    IS = 2  # input stationary


class RuntimeModel(enum.Enum):
    """The published form of the stall-free cycle count; every result names its model.

    Example:
      >>> gemm, array = aj.Gemm(m=64, n=64, k=64), aj.ArrayShape(rows=32, cols=32)
      >>> [aj.compute_cycles(gemm, array, aj.Dataflow.OS, model) for model in aj.RuntimeModel]
      [503, 632]
    """

    SCALESIM = "scalesim"
    ISPASS2020 = "ispass2020"


class MemoryModel(enum.Enum):
    """How memory stalls are counted; every result names its model.

    Example:
      >>> aj.Platform().memory_model.name, aj.read_platform("gemmini").memory_model.name
      ('IDEAL', 'TILED')
    """

    IDEAL = "ideal"  # an ideal double buffer, in closed form
    SCALESIM3 = "scalesim3"  # what the scalesim 3.0.0 package does, replayed
    TILED = "tiled"  # tiles of a mapping on a machine in physical units


class LoopOrder(enum.IntEnum):
    """The order of the loops over the tiles of a GEMM, the outermost first.

    Example:
      >>> aj.LoopOrder["NMK"].value  # the loop over n is the outermost
      2
    """

    MNK = 0
    MKN = 1
    NMK = 2
    NKM = 3
    KMN = 4
    KNM = 5


class OperatorKind(enum.Enum):
    """Operators without matrix work, which run on the vector unit.

    Example:
      >>> aj.load_network("dlrm").operators[0].kind.value
      'embedding'
    """

    SOFTMAX = "softmax"
    NORMALIZATION = "normalization"
    ACTIVATION = "activation"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    POOLING = "pooling"
    EMBEDDING = "embedding"  # lookups: gather and scatter
    DATA_MOVEMENT = "data_movement"  # moves elements without computing


class Interface(enum.Enum):
    """How the operands reach DRAM in the IDEAL memory model.

    Example:
      >>> aj.Platform(interface=aj.Interface.PORTS).interface.value
      'ports'
    """

    SHARED = "shared"  # one interface; the bandwidth is that of all operands together
    PORTS = "ports"  # a port for each operand; the bandwidth is that of each port


class Objective(enum.Enum):
    """The quantity to minimise.

    Example:
      >>> [(objective.value, objective.unit) for objective in aj.Objective]
      [('cycles', 'cycles'), ('energy', 'fJ'), ('edp', 'fJ cycles')]
    """

    CYCLES = "cycles"
    ENERGY = "energy"
    EDP = "edp"  # energy times cycles

    @property
    def unit(self) -> str:
        """The unit of its values."""
        return {"cycles": "cycles", "energy": "fJ", "edp": "fJ cycles"}[self.value]
