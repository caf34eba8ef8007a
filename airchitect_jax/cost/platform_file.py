"""Platforms as YAML files (docs/platforms.md). Some machines are packaged: `platforms/*.yaml`."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import operator
import pathlib
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import yaml

from airchitect_jax._support import (
    AREA,
    AREA_PER_BYTE,
    COUNT,
    ENERGY,
    ENERGY_PER_BYTE,
    FREQUENCY,
    LENGTH,
    POWER_DENSITY,
    RATE,
    SIZE,
    Unit,
    YamlValue,
    file_path,
    instance,
    parse_yaml,
    quantity,
    quantity_text,
    read_yaml,
    shown,
    whole_quantity,
    write_text,
)
from airchitect_jax.cost.parts import Technology, VectorUnit, Widths
from airchitect_jax.cost.platform import Platform
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import MemoryModel, OperatorKind

_PACKAGED = importlib.resources.files("airchitect_jax.cost") / "platforms"
_MAX_VALUES = 4096
_RATE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15}|/[1-9][0-9]{0,14})?")
_FORMS = "a value, [low, high, step], [low, high, x2] or {choices: [...]}"


@dataclasses.dataclass(frozen=True)
class _Form:
    """How a field stands in a file.

    Attributes:
      read: from the value in the file to what the field's class takes.
      write: from the value of the field to what PyYAML writes.
    """

    read: Callable[[YamlValue], Any]
    write: Callable[[Any], Any]


def _written(value: float, unit: Unit) -> str | int:
    text = quantity_text(value, unit)
    return int(text) if text.isdecimal() else text


def _whole(unit: Unit) -> _Form:
    return _Form(
        lambda value: whole_quantity(value.where, value.text, unit),
        functools.partial(_written, unit=unit),
    )


def _real(unit: Unit) -> _Form:
    return _Form(
        lambda value: float(quantity(value.where, value.text, unit)),
        functools.partial(_written, unit=unit),
    )


def _open(unit: Unit) -> _Form:
    """One value or several to choose from."""
    return _Form(
        functools.partial(_read_values, unit=unit), functools.partial(_written_values, unit=unit)
    )


def _read_values(value: YamlValue, unit: Unit) -> tuple[int, ...]:
    where = value.where
    if value.is_mapping:
        if list(value.entries) != ["choices"]:
            raise ValueError(f"{where}: expected {_FORMS}")
        texts = value.entries["choices"].texts
        return tuple(whole_quantity(where, text, unit) for text in texts)
    if not value.is_list:
        return (whole_quantity(where, value.text, unit),)
    texts = value.texts
    if len(texts) != 3:
        raise ValueError(f"{where}: {len(texts)} items are not allowed; expected {_FORMS}")
    low, high = (whole_quantity(where, text, unit) for text in texts[:2])
    values: Sequence[int]
    if texts[2].startswith("x"):
        factor = Fraction(quantity(where, texts[2].removeprefix("x"), COUNT))
        values = _multiples(low, high, factor, unit)
    else:
        step = whole_quantity(where, texts[2], unit)
        values = range(low, high + 1, step)[: _MAX_VALUES + 1] if step else ()
    if not values or low < 1 or list(values) != sorted(set(values)):
        raise ValueError(f"{where}: [{', '.join(texts)}] is not allowed; expected to ascend")
    if len(values) > _MAX_VALUES:
        raise ValueError(
            f"{where}: [{', '.join(texts)}] is not allowed; expected at most {_MAX_VALUES} values"
        )
    return tuple(values)


def _multiples(low: int, high: int, factor: Fraction, unit: Unit) -> tuple[int, ...]:
    """The values low * factor**i up to high, rounded; sizes in whole KB to whole KB.

    The last may be one that does not ascend, or one too many.
    """
    whole = 1024 if unit is SIZE and low % 1024 == 0 else 1
    values: list[int] = []
    above, below = low, whole
    while (value := whole * ((2 * above + below) // (2 * below))) <= high:
        values.append(value)
        if values[-2:-1] >= [value] or len(values) > _MAX_VALUES:
            break
        above, below = above * factor.numerator, below * factor.denominator
    return tuple(values)


def _written_values(values: Sequence[int], unit: Unit) -> Any:
    first, *others = written = [_written(value, unit) for value in values]
    if not others:
        return first
    if len(values) > 2:
        low, second, high = values[0], values[1], values[-1]
        if values == tuple(range(low, high + 1, second - low)[: len(values) + 1]):
            return [first, written[-1], _written(second - low, unit)]
        if second % low == 0 and values == _multiples(low, high, Fraction(second, low), unit):
            return [first, written[-1], f"x{second // low}"]
    return {"choices": written}


def _read_rates(value: YamlValue) -> dict[str, Fraction]:
    rates = {}
    for kind, rate in value.entries.items():
        if not _RATE.fullmatch(rate.text):
            raise ValueError(
                f"{rate.where}: {shown(rate.text)} is not allowed; expected a number, 0.25 or 1/4"
            )
        rates[kind] = Fraction(rate.text)
    return rates


def _written_rates(rates: Sequence[tuple[OperatorKind, Fraction]]) -> dict[str, Any]:
    return {kind.value: int(rate) if rate == int(rate) else str(rate) for kind, rate in rates}


def _names(members: Sequence[Any]) -> list[str]:
    return [member.name for member in members]


_TEXT = _Form(operator.attrgetter("text"), str)
_FLAG = _Form(operator.attrgetter("flag"), bool)
_NAMES = _Form(operator.attrgetter("texts"), _names)

# What a file may say, and the field of the platform that says it.
_KEYS: dict[str, tuple[str, _Form]] = {
    "name": ("name", _TEXT),
    "source": ("source", _TEXT),
    "clock": ("clock_hz", _whole(FREQUENCY)),
    "runtime_model": ("runtime_model", _Form(_TEXT.read, operator.attrgetter("value"))),
    "array: rows": ("hardware.rows", _open(COUNT)),
    "array: cols": ("hardware.cols", _open(COUNT)),
    "array: cores": ("hardware.num_cores", _open(COUNT)),
    "array: dataflows": ("dataflows", _NAMES),
    "memory: ifmap_sram": ("hardware.ifmap_sram_bytes", _open(SIZE)),
    "memory: filter_sram": ("hardware.filter_sram_bytes", _open(SIZE)),
    "memory: ofmap_sram": ("hardware.ofmap_sram_bytes", _open(SIZE)),
    "memory: scratchpad": ("hardware.scratchpad_bytes", _open(SIZE)),
    "memory: accumulator": ("hardware.accumulator_bytes", _open(SIZE)),
    "dram: bandwidth": ("hardware.bandwidth_bytes_per_second", _open(RATE)),
    "dram: kind": ("technology.dram", _TEXT),
    "dram: energy": ("technology.dram_pj_per_byte", _real(ENERGY_PER_BYTE)),
    "widths: input": ("widths.input_bits", _whole(COUNT)),
    "widths: weight": ("widths.weight_bits", _whole(COUNT)),
    "widths: accumulator": ("widths.accumulator_bits", _whole(COUNT)),
    "widths: output": ("widths.output_bits", _whole(COUNT)),
    "vector_unit: lanes": ("vector_unit.lanes", _whole(COUNT)),
    "vector_unit: rates": ("vector_unit.rates", _Form(_read_rates, _written_rates)),
    "vector_unit: fused": (
        "vector_unit.fused",
        _Form(operator.attrgetter("texts"), lambda kinds: [kind.value for kind in kinds]),
    ),
    "vector_unit: overlapped": ("vector_unit.overlapped", _FLAG),
    "technology: node": ("technology.node_nm", _real(LENGTH)),
    "technology: floating_point": ("technology.floating_point", _FLAG),
    "technology: mac_energy": ("technology.mac_pj", _real(ENERGY)),
    "technology: mac_area": ("technology.mac_um2", _real(AREA)),
    "technology: sram_energy": ("technology.sram_pj_per_byte", _real(ENERGY_PER_BYTE)),
    "technology: sram_area": ("technology.sram_um2_per_byte", _real(AREA_PER_BYTE)),
    "technology: leakage": ("technology.leakage_mw_per_mm2", _real(POWER_DENSITY)),
    "terms": ("terms", _NAMES),
}

_SECTIONS = dict.fromkeys(key.partition(": ")[0] for key in _KEYS if ": " in key)
_REQUIRED = ("name", "clock", "array: rows", "array: cols", "memory", "dram: bandwidth")
_PARTS = {
    "hardware": HardwareSpace,
    "widths": Widths,
    "vector_unit": VectorUnit,
    "technology": Technology,
}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes line breaks other than the usual as escapes, since they would be read as spaces."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def platform_names() -> tuple[str, ...]:
    """Names of the packaged platforms, sorted.

    Example:
      >>> aj.platform_names()
      ('eyeriss', 'gemmini', 'large', 'paper', 'shidiannao', 'tpu_v1', 'tpu_v4i')
    """
    files = (entry.name for entry in _PACKAGED.iterdir() if entry.name.endswith(".yaml"))
    return tuple(sorted(name.removesuffix(".yaml") for name in files))


def read_platform(platform: str | pathlib.Path) -> Platform:
    """The platform of a packaged name or of a `.yaml` file; its memory model is TILED.

    Raises:
      ValueError: there is no such platform, or the file is refused; names file, line and key.
      TypeError: the argument is no path.

    Example:
      >>> platform = aj.read_platform("tpu_v4i")
      >>> platform.clock_hz, platform.hardware.rows
      (1050000000, (128,))
    """
    path = file_path("platform", platform)
    if isinstance(platform, str) and platform in platform_names():
        packaged = _PACKAGED / f"{platform}.yaml"
        return parse_platform(packaged.read_bytes(), source=packaged.name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise ValueError(
            f"platform: {shown(str(path))} is neither a .yaml file nor a packaged platform;"
            f" packaged are {', '.join(platform_names())}"
        )
    return _platform(read_yaml(path))


def write_platform(path: str | pathlib.Path, platform: Platform) -> None:
    """Writes a platform of the memory model TILED; `read_platform` gives an equal one.

    Cost terms are written by name, and must be registered.

    Raises:
      ValueError: a file does not hold a field's value: those of the other memory models have
        to be the default ones.
      TypeError: an argument is of another type.

    Example:
      >>> platform = aj.read_platform("gemmini")
      >>> aj.write_platform("mine.yaml", platform)
      >>> aj.read_platform("mine.yaml") == platform
      True
    """
    path = file_path("path", path)
    instance("platform", platform, Platform)
    content: dict[str, Any] = {}
    for key, (field, form) in _KEYS.items():
        value = operator.attrgetter(field)(platform)
        if value not in (None, "", ()):
            section, _, inner = key.rpartition(": ")
            entries = content.setdefault(section, {}) if section else content
            entries[inner] = form.write(value)
    text = yaml.dump(
        content,
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    kept = parse_platform(text.encode(), source=str(path))
    for name in (field.name for field in dataclasses.fields(Platform)):
        ours, theirs = getattr(platform, name), getattr(kept, name)
        if ours != theirs:
            raise ValueError(
                f"{name}: {shown(ours)} is not allowed in a file; expected {shown(theirs)}"
            )
    write_text(path, text)


def parse_platform(data: bytes, *, source: str) -> Platform:
    """Parses the bytes of a platform file; `source` stands for the file in errors."""
    return _platform(parse_yaml(data, source))


def _platform(root: YamlValue) -> Platform:
    found = _tree(root)
    for key in _REQUIRED:
        if key not in found:
            raise ValueError(f"{root.source}: {key}: no value is given")
    fields: dict[str, dict[str, Any]] = {"": {}, **{part: {} for part in _PARTS}}
    for key, value in found.items():
        if key in _KEYS:
            field, form = _KEYS[key]
            part, _, name = field.rpartition(".")
            fields[part][name] = form.read(value)
    parts = {part: _built(kind, part, fields[part], found) for part, kind in _PARTS.items()}
    return _built(Platform, "", {"memory_model": MemoryModel.TILED} | fields[""] | parts, found)


def _tree(value: YamlValue) -> dict[str, YamlValue]:
    """The values and sections of the file by key; the root has none."""
    found = {value.key: value}
    for key, entry in value.entries.items():
        start = entry.key.removesuffix(key)
        known = [other.removeprefix(start) for other in _KEYS if other.startswith(start)]
        names = dict.fromkeys(other.partition(": ")[0] for other in known)
        if key not in names:
            raise ValueError(f"{entry.where}: unknown key; expected {', '.join(names)}")
        found |= _tree(entry) if entry.key in _SECTIONS else {entry.key: entry}
    return found


def _built(kind: Any, part: str, given: dict[str, Any], found: dict[str, YamlValue]) -> Any:
    """An object of a class, whose errors name file, line and key."""
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        field, _, reason = str(error).partition(": ")
        names = {own: key for key, (own, _) in _KEYS.items()}
        key = names.get(f"{part}.{field}" if part else field, field)
        nearest = found.get(key) or found.get(key.partition(": ")[0]) or found[""]
        raise ValueError(f"{dataclasses.replace(nearest, key=key).where}: {reason}") from None
