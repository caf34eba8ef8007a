"""Where the rows of the trace files of a run go."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float64, Int64

Operand = Literal["ifmap", "filter", "ofmap"]

# Rows of a DRAM trace are made in parts of about this many words.
PART_WORDS = 1 << 20


class TraceSink(Protocol):
    """Receives the rows of the six traces of a run, those of each trace in order."""

    def sram(
        self,
        operand: Operand,
        cycles: Float64[np.ndarray, "lines"],
        lines: Int64[np.ndarray, "lines ports"],
    ) -> None:
        """Takes lines of the array, and the cycles at which they are served."""

    def dram(
        self,
        operand: Operand,
        cycles: Float64[np.ndarray, "rows"],
        rows: Int64[np.ndarray, "rows words"],
    ) -> None:
        """Takes rows of the interface, and the cycles at which they are transferred."""
