"""Configurations of the scalesim 3.0.0 package (`.cfg`): all that one says, and its reader."""

from __future__ import annotations

import dataclasses
import difflib
import pathlib
from typing import Any

from airchitect_jax._support import MAX_DIM, settle, whole_number
from airchitect_jax.scalesim.cells import ConfigFile, doubt, parse_whole, read_text

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
        self._settle("rows", "cols", "ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb")
        if self.user_bandwidth:
            self._check_ports()
        if self.sparsity:
            self._check_sparsity()

    def _settle(self, *names: str, low: int = 1, high: int = MAX_DIM) -> None:
        for name in names:
            settle(self, **{name: whole_number(name, getattr(self, name), low=low, high=high)})

    def _check_ports(self) -> None:
        if not self.bandwidths:
            raise ValueError("bandwidths: () is not allowed; expected a number of words per cycle")
        whole_number("bandwidths", self.bandwidths[0])
        for operand in ("ifmap", "filter"):
            name = f"{operand}_bank_bandwidth"
            self._settle(name, f"{operand}_bank_num")
            bandwidth, banks = getattr(self, name), getattr(self, f"{operand}_bank_num")
            if bandwidth % banks:
                raise ValueError(
                    f"{name}: {bandwidth} is not allowed; expected a multiple of"
                    f" {operand}_bank_num, {banks}"
                )
            if getattr(self, f"{operand}_custom_layout"):
                self._settle(f"{operand}_bank_port")

    def _check_sparsity(self) -> None:
        if self.sparse_representation not in REPRESENTATIONS:
            raise ValueError(
                f"sparse_representation: {self.sparse_representation!r} is not allowed; expected"
                f" {', '.join(REPRESENTATIONS[:-1])} or {REPRESENTATIONS[-1]}"
            )
        if self.optimized_mapping:
            self._settle("block_size", low=2, high=self.rows)
            self._settle("sparsity_seed", low=0, high=2**32 - 1)


_GENERAL, _RUN, _ARRAY = "general", "run_presets", "architecture_presets"
_LAYOUT, _SPARSITY, _NETWORK = "layout", "sparsity", "network_presets"
# Where each whole number stands, in the order in which the package reads them.
_NUMBERS = {
    "rows": (_ARRAY, "ArrayHeight"),
    "cols": (_ARRAY, "ArrayWidth"),
    "ifmap_sram_kb": (_ARRAY, "IfmapSramSzkB"),
    "filter_sram_kb": (_ARRAY, "FilterSramSzkB"),
    "ofmap_sram_kb": (_ARRAY, "OfmapSramSzkB"),
    "ifmap_offset": (_ARRAY, "IfmapOffset"),
    "filter_offset": (_ARRAY, "FilterOffset"),
    "ofmap_offset": (_ARRAY, "OfmapOffset"),
    "read_request_buffer": (_ARRAY, "ReadRequestBuffer"),
    "write_request_buffer": (_ARRAY, "WriteRequestBuffer"),
    "ifmap_bank_bandwidth": (_LAYOUT, "IfmapSRAMBankBandwidth"),
    "ifmap_bank_num": (_LAYOUT, "IfmapSRAMBankNum"),
    "ifmap_bank_port": (_LAYOUT, "IfmapSRAMBankPort"),
    "filter_bank_bandwidth": (_LAYOUT, "FilterSRAMBankBandwidth"),
    "filter_bank_num": (_LAYOUT, "FilterSRAMBankNum"),
    "filter_bank_port": (_LAYOUT, "FilterSRAMBankPort"),
}
_KEYS = {
    "run_name": (_GENERAL, "run_name"),
    "user_bandwidth": (_RUN, "InterfaceBandwidth"),
    "ramulator": (_RUN, "UseRamulatorTrace"),
    **_NUMBERS,
    "dataflow": (_ARRAY, "Dataflow"),
    "bandwidths": (_ARRAY, "Bandwidth"),
    "ifmap_custom_layout": (_LAYOUT, "IfmapCustomLayout"),
    "filter_custom_layout": (_LAYOUT, "FilterCustomLayout"),
    "sparsity": (_SPARSITY, "SparsitySupport"),
    "sparse_representation": (_SPARSITY, "SparseRep"),
    "optimized_mapping": (_SPARSITY, "OptimizedMapping"),
    "block_size": (_SPARSITY, "BlockSize"),
    "sparsity_seed": (_SPARSITY, "RandomNumberGeneratorSeed"),
}
_FIELDS = {key.lower(): field for field, (_, key) in _KEYS.items()}


def read_settings(path: str | pathlib.Path, *, strict: bool = False) -> Settings:
    """Reads a configuration as the package does.

    Args:
      path: the file.
      strict: refuse what the package accepts without a word, such as a dataflow that it does not
        know; otherwise warn and follow the package.

    Raises:
      ValueError: the package crashes with this file; names file, section, key, value and what is
        allowed, and for a missing key the nearest one in the file.
    """
    return _Reader(pathlib.Path(path), strict).read()


class _Reader(ConfigFile):
    def __init__(self, path: pathlib.Path, strict: bool) -> None:
        super().__init__(path, read_text(path))
        self.strict = strict

    def read(self) -> Settings:
        self._unknown()
        user = self._bandwidth_mode()
        self._check_network()
        bandwidths = self.text(_ARRAY, "Bandwidth").split(",") if user else []
        numbers = {
            field: parse_whole(self.name(*key), self.text(*key)) for field, key in _NUMBERS.items()
        }
        sparsity = self._flag(_SPARSITY, "SparsitySupport")
        # Read only where it counts: the package does not miss the keys of what is off.
        optimized = sparsity and self._flag(_SPARSITY, "OptimizedMapping")
        values: dict[str, Any] = {
            **numbers,
            "run_name": self._run_name(),
            "user_bandwidth": user,
            "ramulator": self._flag(_RUN, "UseRamulatorTrace", exact=True),
            "dataflow": self._dataflow(),
            "bandwidths": tuple(parse_whole(self.name(_ARRAY, "Bandwidth"), x) for x in bandwidths),
            "ifmap_custom_layout": self._boolean("IfmapCustomLayout"),
            "filter_custom_layout": self._boolean("FilterCustomLayout"),
            "sparsity": sparsity,
            "optimized_mapping": optimized,
        }
        if sparsity:
            values["sparse_representation"] = self.text(_SPARSITY, "SparseRep")
            values["sparsity_seed"] = self._number("sparsity_seed")
        if optimized:
            values["block_size"] = self._number("block_size")
        try:
            return Settings(**values)
        except ValueError as error:
            raise ValueError(self._in_file(str(error))) from None

    def _in_file(self, message: str) -> str:
        """An error of the settings, with the key in place of the field."""
        field, _, rest = message.partition(": ")
        for other, key in _KEYS.items():
            rest = rest.replace(f" {other},", f" {key[1]},")
        return f"{self.name(*_KEYS[field])}: {rest}"

    def _number(self, field: str) -> int:
        return parse_whole(self.name(*_KEYS[field]), self.text(*_KEYS[field]))

    def _bandwidth_mode(self) -> bool:
        mode = self.text(_RUN, "InterfaceBandwidth")
        if mode not in ("USER", "CALC"):
            raise ValueError(
                f"{self.name(_RUN, 'InterfaceBandwidth')}: {mode!r} is not allowed; expected USER"
                " or CALC"
            )
        return mode == "USER"

    def _check_network(self) -> None:
        """With this section, the package looks for a path that it does not need, elsewhere."""
        key = "TopologyCsvLoc"
        if self.parser.has_section(_NETWORK) and (
            not self.parser.has_option(_ARRAY, key) or '"' not in self.text(_ARRAY, key)
        ):
            raise ValueError(
                f"{self.path}: [{_NETWORK}]: with this section the package expects"
                f' [{_ARRAY}] {key} = "PATH"'
            )

    def _run_name(self) -> str:
        name = self.text(_GENERAL, "run_name")
        if "/" in name or "\0" in name or name in (".", ".."):
            raise ValueError(
                f"{self.name(_GENERAL, 'run_name')}: {name!r} is not allowed; expected the name of"
                " a folder"
            )
        return name

    def _dataflow(self) -> str:
        dataflow = self.text(_ARRAY, "Dataflow")
        if dataflow in DATAFLOWS:
            return dataflow
        self._doubt(_ARRAY, "Dataflow", dataflow, "os, ws or is; the package runs os")
        return "os"

    def _flag(self, section: str, key: str, *, exact: bool = False) -> bool:
        """True if the text is true; the package reads any other text as false."""
        text = self.text(section, key)
        if text.lower() not in ("true", "false") or (exact and text == "true"):
            self._doubt(section, key, text, "True or False; the package reads False")
        return text == "True" if exact else text.lower() == "true"

    def _boolean(self, key: str) -> bool:
        text = self.text(_LAYOUT, key)
        try:
            return self.parser.BOOLEAN_STATES[text.lower()]
        except KeyError:
            raise ValueError(
                f"{self.name(_LAYOUT, key)}: {text!r} is not allowed; expected True or False"
            ) from None

    def _unknown(self) -> None:
        """The package ignores keys that it does not know, and keys in other sections."""
        known = {(section, key.lower()) for section, key in _KEYS.values()}
        # Read with [network_presets] only; in SCALE-Sim's own files, and read by nobody.
        known |= {(_ARRAY, "topologycsvloc"), (_ARRAY, "memorybanks")}
        for section in self.parser.sections():
            for key in self.parser[section]:
                if (section, key) not in known and section != _NETWORK:
                    near = difflib.get_close_matches(key, _FIELDS, n=1)
                    which = _KEYS[_FIELDS[near[0]]] if near else None
                    hint = f"; the nearest key is [{which[0]}] {which[1]}" if which else ""
                    name = self.name(section, self.parser.spelling[key])
                    doubt(f"{name}: the package ignores this key{hint}", strict=self.strict)

    def _doubt(self, section: str, key: str, text: str, expected: str) -> None:
        doubt(f"{self.name(section, key)}: {text!r} is not one of {expected}", strict=self.strict)
