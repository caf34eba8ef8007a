"""Everything that a configuration of the scalesim 3.0.0 package says."""

from __future__ import annotations

import dataclasses

from airchitect_jax.scalesim.cells import whole

DATAFLOWS = ("os", "ws", "is")
REPRESENTATIONS = ("csr", "csc", "ellpack_block")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A configuration of the package; a word is a byte there.

    Attributes:
      run_name: of the folder of the results.
      user_bandwidth: USER mode, in which ports have the given bandwidths; else CALC mode.
      ramulator: latencies of DRAM requests come from files.
      rows, cols: of the array.
      ifmap_sram_kb, filter_sram_kb, ofmap_sram_kb: whole double buffers, kilobytes of 1024 words.
      ifmap_offset, filter_offset, ofmap_offset: addresses of the operands' first words.
      dataflow: "os", "ws" or "is".
      bandwidths: `Bandwidth`, words per cycle; the first drives the ofmap's port. Empty in CALC.
      read_request_buffer, write_request_buffer: entries of the request queues (Ramulator).
      ifmap_custom_layout, filter_custom_layout: the operand's layout is given, banks conflict.
      ifmap_bank_bandwidth, filter_bank_bandwidth: of the operand's port, words per cycle.
      ifmap_bank_num, filter_bank_num: banks of the SRAM.
      ifmap_bank_port, filter_bank_port: ports per bank.
      sparsity: filters are sparse.
      sparse_representation: "csr", "csc" or "ellpack_block".
      optimized_mapping: sparsity row by row, with random n of `block_size`; else n:m per layer.
      block_size: m of row-wise sparsity.
      sparsity_seed: of its random numbers.

    Raises:
      ValueError: the package crashes with such a setting; names the field, the value and what is
        allowed.
    """

    run_name: str
    user_bandwidth: bool
    ramulator: bool
    rows: int
    cols: int
    ifmap_sram_kb: int
    filter_sram_kb: int
    ofmap_sram_kb: int
    ifmap_offset: int
    filter_offset: int
    ofmap_offset: int
    dataflow: str
    bandwidths: tuple[int, ...]
    read_request_buffer: int
    write_request_buffer: int
    ifmap_custom_layout: bool = False
    ifmap_bank_bandwidth: int = 10
    ifmap_bank_num: int = 10
    ifmap_bank_port: int = 2
    filter_custom_layout: bool = False
    filter_bank_bandwidth: int = 10
    filter_bank_num: int = 10
    filter_bank_port: int = 2
    sparsity: bool = False
    sparse_representation: str = ""
    optimized_mapping: bool = False
    block_size: int = 4
    sparsity_seed: int = 40

    def __post_init__(self) -> None:
        """Refuses what the package does not survive, in the mode that it runs in."""
        if self.dataflow not in DATAFLOWS:
            raise ValueError(f"dataflow: {self.dataflow!r} is not allowed; expected os, ws or is")
        for name in ("rows", "cols", "ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb"):
            whole(name, getattr(self, name))
        if self.user_bandwidth:
            self._check_ports()
        if self.sparsity:
            self._check_sparsity()

    def _check_ports(self) -> None:
        if not self.bandwidths:
            raise ValueError("bandwidths: () is not allowed; expected a number of words per cycle")
        whole("bandwidths", self.bandwidths[0])
        for operand in ("ifmap", "filter"):
            name = f"{operand}_bank_bandwidth"
            bandwidth = whole(name, getattr(self, name))
            banks = whole(f"{operand}_bank_num", getattr(self, f"{operand}_bank_num"))
            if bandwidth % banks:
                raise ValueError(
                    f"{name}: {bandwidth} is not allowed; expected a multiple of"
                    f" {operand}_bank_num, {banks}"
                )
            if getattr(self, f"{operand}_custom_layout"):
                whole(f"{operand}_bank_port", getattr(self, f"{operand}_bank_port"))

    def _check_sparsity(self) -> None:
        if self.sparse_representation not in REPRESENTATIONS:
            raise ValueError(
                f"sparse_representation: {self.sparse_representation!r} is not allowed; expected"
                f" {', '.join(REPRESENTATIONS[:-1])} or {REPRESENTATIONS[-1]}"
            )
        if self.optimized_mapping:
            whole("block_size", self.block_size, low=2, high=self.rows)
            whole("sparsity_seed", self.sparsity_seed, low=0, high=2**32 - 1)
