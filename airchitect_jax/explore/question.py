"""The question of the page, as it stands in a link, and the command that asks the same."""

from __future__ import annotations

import dataclasses
import shlex
import urllib.parse

from airchitect_jax._support import member, real_number, whole_number
from airchitect_jax.cost import MAX_BANDWIDTH
from airchitect_jax.types import Objective
from airchitect_jax.workloads.binding import dims_of

MAX_MACS = 1 << 18  # of case study 1: one survey of all arrays answers every smaller budget
MAX_SRAM_KB = 3000  # of the largest sizing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What `airchitect recommend` is asked; the defaults are those of its flags.

    Attributes:
      workload: a packaged network, or the name of a file.
      file: the id of an uploaded file; empty for a packaged network.
      dims: sizes of the file's symbolic dimensions, by name.
      mac_budget: MAC units.
      sram_budget_kb: of the three SRAMs together, KB.
      bandwidth_bytes_per_cycle: of the DRAM interface.
      objective: the quantity to minimise.
    """

    workload: str = "resnet50"
    file: str = ""
    dims: tuple[tuple[str, int], ...] = ()
    mac_budget: int = 16_384
    sram_budget_kb: int = MAX_SRAM_KB
    bandwidth_bytes_per_cycle: int = 64
    objective: Objective = Objective.CYCLES

    @classmethod
    def of_query(cls, query: str) -> Question:
        """Reads the query of a link. Its names are those of the flags; others are ignored.

        Raises:
          ValueError: a value is not allowed.
        """
        given = urllib.parse.parse_qs(query, keep_blank_values=True)

        def number(name: str, default: int, low: int, high: int) -> int:
            text = given[name][-1] if name in given else str(default)
            value = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text
            return whole_number(name, value, low=low, high=high)

        if "clock_ghz" in given:  # which only the page needs
            _clock_ghz(given["clock_ghz"][-1])
        return cls(
            workload=given.get("workload", [cls.workload])[-1],
            file=given.get("file", [cls.file])[-1],
            dims=tuple(dims_of("dim", given.get("dim", ())).items()),
            mac_budget=number("mac_budget", cls.mac_budget, 4, MAX_MACS),
            sram_budget_kb=number("sram_budget", cls.sram_budget_kb, 300, MAX_SRAM_KB),
            bandwidth_bytes_per_cycle=number(
                "bandwidth", cls.bandwidth_bytes_per_cycle, 1, MAX_BANDWIDTH
            ),
            objective=member(
                "objective", given.get("objective", [cls.objective.value])[-1], Objective
            ),
        )

    @property
    def command(self) -> str:
        """The command with the same answer; a file is expected in the current folder."""
        words = [
            "airchitect",
            "recommend",
            f"--workload={self.workload}",
            *(f"--dim={name}={size}" for name, size in self.dims),
            f"--mac_budget={self.mac_budget}",
            f"--sram_budget={self.sram_budget_kb}",
            f"--bandwidth={self.bandwidth_bytes_per_cycle}",
            f"--objective={self.objective.value}",
        ]
        return shlex.join(words)


def _clock_ghz(text: str) -> float:
    try:
        value: object = float(text)
    except ValueError:
        value = text
    return real_number("clock_ghz", value, low=0.001, high=1000)
