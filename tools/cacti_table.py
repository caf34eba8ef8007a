"""Writes the packaged table of SRAMs, computed by CACTI 7.

`python -m tools.cacti_table CACTI` shows whether the table differs from what the program at that
path computes; `--write` writes it. The program reads its technologies from its own folder.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

from tools import _generated

TABLE = pathlib.Path(__file__).parent.parent / "airchitect_jax" / "cost" / "tables" / "sram.csv"
NODES_NM = (90, 65, 45, 32, 22)
WORDS_BYTES = (8, 16, 32, 64)
SIZES_BYTES = tuple(2**power for power in range(11, 28))  # CACTI has no 16 words of 64 bytes
BANK_BYTES = 2**16
MAX_BANKS = 16

# The options, as CACTI spells them; it does not read files that begin with an empty line.
OPTIONS = """\
-cache type "ram"
-associativity 1
-read-write port 1
-exclusive read port 0
-exclusive write port 0
-single ended read ports 0
-Array Power Gating - "false"
-WL Power Gating - "false"
-CL Power Gating - "false"
-Bitline floating - "false"
-Interconnect Power Gating - "false"
-Power Gating Performance Loss 0.01
-page size (bits) 8192
-burst length 8
-internal prefetch width 8
-Data array cell type - "itrs-lstp"
-Data array peripheral type - "itrs-hp"
-Tag array cell type - "itrs-lstp"
-Tag array peripheral type - "itrs-hp"
-operating temperature (K) 350
-tag size (b) "default"
-access mode (normal, sequential, fast) - "normal"
-design objective (weight delay, dynamic power, leakage power, cycle time, area) 0:0:0:100:0
-deviate (delay, dynamic power, leakage power, cycle time, area) 20:100000:100000:100000:100000
-NUCAdesign objective (weight delay, dynamic power, leakage power, cycle time, area) 100:100:0:0:100
-NUCAdeviate (delay, dynamic power, leakage power, cycle time, area) 10:10000:10000:10000:10000
-Optimize ED or ED^2 (ED, ED^2, NONE): "ED^2"
-Cache model (NUCA, UCA)  - "UCA"
-NUCA bank count 0
-Wire signaling (fullswing, lowswing, default) - "Global_30"
-Wire inside mat - "semi-global"
-Wire outside mat - "semi-global"
-Interconnect projection - "conservative"
-Core count 1
-Add ECC - "false"
-Print level (DETAILED, CONCISE) - "DETAILED"
-Print input parameters - "true"
-Force cache config - "false"
-dram_type "DDR3"
-io state "WRITE"
-addr_timing 1.0
-mem_density 4 Gb
-bus_freq 800 MHz
-duty_cycle 1.0
-activity_dq 1.0
-activity_ca 0.5
-num_dq 72
-num_dqs 18
-num_ca 25
-num_clk  2
-num_mem_dq 2
-mem_data_width 8
-rtt_value 10000
-ron_value 34
-tflight_value
-num_bobs 1
-capacity 80
-num_channels_per_bob 1
-first metric "Cost"
-second metric "Bandwidth"
-third metric "Energy"
-DIMM model "ALL"
-mirror_in_bob "F"
"""
RESULTS = {
    "read_nj": r"Total dynamic read energy per access \(nJ\)\s*:\s*(\S+)",
    "write_nj": r"Total dynamic write energy per access \(nJ\)\s*:\s*(\S+)",
    "bank_leakage_mw": r"Total leakage power of a bank[^:]*\(mW\)\s*:\s*(\S+)",
    "area_mm2": r"Data array: Area \(mm2\)\s*:\s*(\S+)",
}


def row(program: pathlib.Path, node_nm: int, word_bytes: int, sram_bytes: int) -> str:
    """A row of the table."""
    banks = min(MAX_BANKS, max(1, sram_bytes // BANK_BYTES))
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write(
            f"{OPTIONS}-size (bytes) {sram_bytes}\n-block size (bytes) {word_bytes}\n"
            f"-output/input bus width {8 * word_bytes}\n-UCA bank count {banks}\n"
            f"-technology (u) {node_nm / 1000}\n"
        )
        config.flush()
        ran = subprocess.run(  # noqa: S603
            [program, "-infile", config.name], cwd=program.parent, capture_output=True, text=True
        )
    value = {name: float(re.findall(pattern, ran.stdout)[0]) for name, pattern in RESULTS.items()}
    figures = (
        value["read_nj"] * 1e3,
        value["write_nj"] * 1e3,
        value["bank_leakage_mw"] * banks,
        value["area_mm2"] * 1e6,
    )
    columns = [str(number) for number in (node_nm, word_bytes, sram_bytes)]
    return ",".join([*columns, *(f"{figure:.5g}" for figure in figures)]) + "\n"


def table(program: pathlib.Path) -> str:
    """The whole table."""
    grid = itertools.product(NODES_NM, WORDS_BYTES, SIZES_BYTES)
    return "node_nm,word_bytes,sram_bytes,read_pj,write_pj,leakage_mw,area_um2\n" + "".join(
        row(program, *point) for point in grid
    )


def main(arguments: list[str]) -> None:
    """Compares the table with CACTI's, or writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="the compiled CACTI")
    parser.add_argument("--write", action="store_true", help="write the table")
    given = parser.parse_args(arguments)
    _generated.update({TABLE: table(given.program.resolve())}, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
