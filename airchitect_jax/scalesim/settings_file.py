"""Reads the configuration of the scalesim 3.0.0 package (`.cfg`)."""

from __future__ import annotations

import configparser
import dataclasses
import difflib
import pathlib
from typing import Any

from airchitect_jax._support import one_line
from airchitect_jax.scalesim.cells import doubt, parse_whole, read_text
from airchitect_jax.scalesim.settings import DATAFLOWS, Settings

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


class _Parser(configparser.ConfigParser):
    """Keeps the spelling of the keys, for messages."""

    def __init__(self) -> None:
        super().__init__()
        self.spelling: dict[str, str] = {}

    def optionxform(self, optionstr: str) -> str:
        return self.spelling.setdefault(optionstr.lower(), optionstr) and optionstr.lower()


@dataclasses.dataclass
class _Reader:
    path: pathlib.Path
    strict: bool
    parser: _Parser = dataclasses.field(default_factory=_Parser)

    def read(self) -> Settings:
        try:
            self.parser.read_string(read_text(self.path), source=str(self.path))
        except configparser.Error as error:
            raise ValueError(f"{self.path}: not a configuration: {one_line(str(error))}") from None
        self._unknown()
        user = self._bandwidth_mode()
        self._check_network()
        bandwidths = self._text(_ARRAY, "Bandwidth").split(",") if user else []
        numbers = {
            field: parse_whole(self._name(*key), self._text(*key))
            for field, key in _NUMBERS.items()
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
            "bandwidths": tuple(
                parse_whole(self._name(_ARRAY, "Bandwidth"), x) for x in bandwidths
            ),
            "ifmap_custom_layout": self._boolean("IfmapCustomLayout"),
            "filter_custom_layout": self._boolean("FilterCustomLayout"),
            "sparsity": sparsity,
            "optimized_mapping": optimized,
        }
        if sparsity:
            values["sparse_representation"] = self._text(_SPARSITY, "SparseRep")
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
        return f"{self._name(*_KEYS[field])}: {rest}"

    def _name(self, section: str, key: str) -> str:
        return f"{self.path}: [{section}] {key}"

    def _text(self, section: str, key: str) -> str:
        if not self.parser.has_option(section, key):
            raise ValueError(f"{self._name(section, key)}: no value{self._nearest(section, key)}")
        try:
            return self.parser.get(section, key).strip()
        except configparser.InterpolationError as error:
            raise ValueError(f"{self._name(section, key)}: {one_line(str(error))}") from None

    def _nearest(self, section: str, key: str) -> str:
        """Where the key may have been meant to stand, as the end of a message."""
        elsewhere = {
            option: other for other in self.parser.sections() for option in self.parser[other]
        }
        near = difflib.get_close_matches(key.lower(), elsewhere, n=1, cutoff=0.75)
        if not near:
            return "" if self.parser.has_section(section) else f"; no section [{section}]"
        return f"; there is [{elsewhere[near[0]]}] {self.parser.spelling[near[0]]}"

    def _number(self, field: str) -> int:
        return parse_whole(self._name(*_KEYS[field]), self._text(*_KEYS[field]))

    def _bandwidth_mode(self) -> bool:
        mode = self._text(_RUN, "InterfaceBandwidth")
        if mode not in ("USER", "CALC"):
            raise ValueError(
                f"{self._name(_RUN, 'InterfaceBandwidth')}: {mode!r} is not allowed; expected USER"
                " or CALC"
            )
        return mode == "USER"

    def _check_network(self) -> None:
        """With this section, the package looks for a path that it does not need, elsewhere."""
        key = "TopologyCsvLoc"
        if self.parser.has_section(_NETWORK) and (
            not self.parser.has_option(_ARRAY, key) or '"' not in self._text(_ARRAY, key)
        ):
            raise ValueError(
                f"{self.path}: [{_NETWORK}]: with this section the package expects"
                f' [{_ARRAY}] {key} = "PATH"'
            )

    def _run_name(self) -> str:
        name = self._text(_GENERAL, "run_name")
        if "/" in name or "\0" in name or name in (".", ".."):
            raise ValueError(
                f"{self._name(_GENERAL, 'run_name')}: {name!r} is not allowed; expected the name of"
                " a folder"
            )
        return name

    def _dataflow(self) -> str:
        dataflow = self._text(_ARRAY, "Dataflow")
        if dataflow in DATAFLOWS:
            return dataflow
        self._doubt(_ARRAY, "Dataflow", dataflow, "os, ws or is; the package runs os")
        return "os"

    def _flag(self, section: str, key: str, *, exact: bool = False) -> bool:
        """True if the text is true; the package reads any other text as false."""
        text = self._text(section, key)
        if text.lower() not in ("true", "false") or (exact and text == "true"):
            self._doubt(section, key, text, "True or False; the package reads False")
        return text == "True" if exact else text.lower() == "true"

    def _boolean(self, key: str) -> bool:
        text = self._text(_LAYOUT, key)
        try:
            return self.parser.BOOLEAN_STATES[text.lower()]
        except KeyError:
            raise ValueError(
                f"{self._name(_LAYOUT, key)}: {text!r} is not allowed; expected True or False"
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
                    name = self._name(section, self.parser.spelling[key])
                    doubt(f"{name}: the package ignores this key{hint}", strict=self.strict)

    def _doubt(self, section: str, key: str, text: str, expected: str) -> None:
        doubt(f"{self._name(section, key)}: {text!r} is not one of {expected}", strict=self.strict)
