"""Everything that a configuration of the scalesim 3.0.0 package says."""

from __future__ import annotations

import dataclasses


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
