"""Reads and writes the accelerator of a SCALE-Sim configuration (`.cfg`)."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from airchitect_jax._support import (
    MAX_DIM,
    check_regular,
    dataflow_member,
    settle,
    whole_number,
    write_text,
)
from airchitect_jax.scalesim.cells import ConfigFile
from airchitect_jax.types import Dataflow

_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
_ARCHITECTURE, _RUN = "architecture_presets", "run_presets"
# What changes the package's timing and is left out here, as `scalesim.run_gemm` does.
_LEFT_OUT = ("IfmapCustomLayout", "FilterCustomLayout", "SparsitySupport", "UseRamulatorTrace")
_READ_PORTS = ("IfmapSRAMBankBandwidth", "FilterSRAMBankBandwidth")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesimConfig:
    """An accelerator as SCALE-Sim describes it.

    Attributes:
      rows, cols: of the array.
      dataflow: the dataflow.
      ifmap_sram_kb, filter_sram_kb, ofmap_sram_kb: whole double buffers, kilobytes of 1024 words.
      bandwidth_words_per_cycle: of each of the three ports (USER mode); None in CALC mode.
      notes: a line for each setting of the file that has no part in a comparison.

    Raises:
      ValueError: a number is not in 1..2**31 - 1, or there is no such dataflow.
    """

    rows: int
    cols: int
    dataflow: Dataflow
    ifmap_sram_kb: int
    filter_sram_kb: int
    ofmap_sram_kb: int
    bandwidth_words_per_cycle: int | None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = ["rows", "cols", "ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb"]
        if self.bandwidth_words_per_cycle is not None:
            names.append("bandwidth_words_per_cycle")
        settle(
            self,
            dataflow=dataflow_member("dataflow", self.dataflow),
            **{name: whole_number(name, getattr(self, name)) for name in names},
        )


def read_config(path: str | pathlib.Path) -> ScalesimConfig:
    """Reads a configuration of SCALE-Sim 2 or 3.

    Of `Bandwidth` the first number counts, as in the package. It is given to all three ports,
    where the package itself would read through its bandwidths of SRAM banks; a note says so
    where these differ.

    Raises:
      ValueError: the file cannot be read or is no configuration, or a setting is missing or not
        allowed; names file, section and setting.
    """
    path = pathlib.Path(path)
    check_regular(path)
    what = "SCALE-Sim configuration"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a {what}: {error}") from None
    file = ConfigFile(path, text, what, interpolation=None)
    mode = _choice(file, _RUN, "InterfaceBandwidth", ("CALC", "USER"))
    bandwidth = _number(file, "Bandwidth", list_of=True) if mode == "USER" else None
    names = tuple(dataflow.name.lower() for dataflow in Dataflow)
    return ScalesimConfig(
        rows=_number(file, "ArrayHeight"),
        cols=_number(file, "ArrayWidth"),
        dataflow=Dataflow[_choice(file, _ARCHITECTURE, "Dataflow", names).upper()],
        ifmap_sram_kb=_number(file, "IfmapSramSzkB"),
        filter_sram_kb=_number(file, "FilterSramSzkB"),
        ofmap_sram_kb=_number(file, "OfmapSramSzkB"),
        bandwidth_words_per_cycle=bandwidth,
        notes=tuple(_notes(file, bandwidth)),
    )


def write_config(path: str | pathlib.Path, config: ScalesimConfig, *, name: str) -> None:
    """Writes a configuration for the scalesim 3.0.0 package.

    `Bandwidth` drives only the outputs there; operands are read through banks of SRAM, which are
    given the same bandwidth. Sparsity, custom layouts and Ramulator are off.

    Args:
      path: the file.
      config: the accelerator; its notes are not written.
      name: of the run, and so of the folder of its results; one word.
    """
    user = config.bandwidth_words_per_cycle is not None
    bandwidth = config.bandwidth_words_per_cycle or 10  # any number: CALC mode does not use it
    banks = {
        f"{operand}SRAMBank{setting}": value
        for operand in ("Ifmap", "Filter")
        for setting, value in (("Bandwidth", bandwidth), ("Num", 1), ("Port", 1))
    }
    sections: dict[str, dict[str, object]] = {
        "general": {"run_name": re.sub(r"[^A-Za-z0-9_.-]", "_", name)},
        _ARCHITECTURE: {
            "ArrayHeight": config.rows,
            "ArrayWidth": config.cols,
            "IfmapSramSzkB": config.ifmap_sram_kb,
            "FilterSramSzkB": config.filter_sram_kb,
            "OfmapSramSzkB": config.ofmap_sram_kb,
            "IfmapOffset": 0,
            "FilterOffset": 1 << 40,
            "OfmapOffset": 1 << 41,
            "Dataflow": config.dataflow.name.lower(),
            "Bandwidth": bandwidth,
            "ReadRequestBuffer": 64,
            "WriteRequestBuffer": 64,
        },
        "layout": {"IfmapCustomLayout": False, "FilterCustomLayout": False, **banks},
        "sparsity": {"SparsitySupport": False},
        _RUN: {"InterfaceBandwidth": "USER" if user else "CALC", "UseRamulatorTrace": False},
    }
    text = "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
        for section, settings in sections.items()
    )
    write_text(pathlib.Path(path), text)


def _choice(file: ConfigFile, section: str, name: str, allowed: tuple[str, ...]) -> str:
    text = file.text(section, name)
    for choice in allowed:
        if text.lower() == choice.lower():
            return choice
    raise ValueError(
        f"{file.name(section, name)}: {text!r} is not allowed; expected {' or '.join(allowed)}"
    )


def _number(file: ConfigFile, name: str, *, list_of: bool = False) -> int:
    text = file.text(_ARCHITECTURE, name)
    number = text.split(",")[0].strip() if list_of else text
    if not _WHOLE_NUMBER.fullmatch(number) or not 1 <= int(number) <= MAX_DIM:
        raise ValueError(
            f"{file.name(_ARCHITECTURE, name)}: {text!r} is not allowed; expected a whole number"
            f" in 1..{MAX_DIM}"
        )
    return int(number)


def _notes(file: ConfigFile, bandwidth: int | None) -> list[str]:
    """What of the file has no part; these settings stand in different sections in the wild."""
    settings = {
        name: value.strip()
        for section in file.parser.sections()
        for name, value in file.parser.items(section)  # names in lower case
    }
    notes = [
        f"{name}: {settings[name.lower()]} is left out"
        for name in _LEFT_OUT
        if settings.get(name.lower(), "false").lower() == "true"
    ]
    notes += [
        f"{name}: {settings[name.lower()]} is left out; the port has Bandwidth, {bandwidth}"
        for name in _READ_PORTS
        if bandwidth is not None and settings.get(name.lower(), str(bandwidth)) != str(bandwidth)
    ]
    return notes
