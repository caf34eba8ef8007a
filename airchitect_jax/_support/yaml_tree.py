"""YAML as a tree of values that know their file, line and key; objects are never constructed.

Texts are the characters of the file: `on`, `1:20` and `7` mean what their reader takes them for.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import yaml

from airchitect_jax._support.files import check_regular
from airchitect_jax._support.printable import one_line
from airchitect_jax._support.scalars import shown

_MAX_BYTES = 2**16
_MAX_DEPTH = 8
_KINDS = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class YamlValue:
    """A value in a YAML file.

    Attributes:
      source: the file.
      line: of its key.
      key: the keys that lead to it, joined by ": "; empty for the root.
      node: as parsed.
    """

    source: str
    line: int
    key: str
    node: Any

    @property
    def where(self) -> str:
        """What messages about the value start with."""
        return ": ".join(filter(None, [f"{self.source}:{self.line}", self.key]))

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def text(self) -> str:
        """The text of a single value.

        Raises:
          ValueError: it is empty, a list or a mapping.
        """
        return self._text(self.node)

    @property
    def flag(self) -> bool:
        """The truth value of a single value.

        Raises:
          ValueError: it is neither true nor false.
        """
        if self.text not in ("true", "false"):
            raise self._refused(shown(self.text), "true or false")
        return self.text == "true"

    @property
    def texts(self) -> list[str]:
        """The texts of a list.

        Raises:
          ValueError: it is no list of single values.
        """
        if not self.is_list:
            raise self._refused(_KINDS[self.node.id], "a list")
        return [self._text(item) for item in self.node.value]

    @property
    def entries(self) -> dict[str, YamlValue]:
        """The values of a mapping by key.

        Raises:
          ValueError: it is no mapping, or a key is no text or occurs twice.
        """
        if not self.is_mapping:
            raise self._refused(_KINDS[self.node.id], "keys with values")
        found: dict[str, YamlValue] = {}
        for name, node in self.node.value:
            key = self._text(name)
            inner = ": ".join(filter(None, [self.key, key]))
            entry = dataclasses.replace(self, key=inner, line=_line(name.start_mark), node=node)
            if key in found:
                raise ValueError(f"{entry.where}: given twice")
            found[key] = entry
        return found

    def _text(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.value:
            return str(node.value)
        given = "an empty value" if isinstance(node, yaml.ScalarNode) else _KINDS[node.id]
        raise self._refused(given, "a single value")

    def _refused(self, given: str, expected: str) -> ValueError:
        return ValueError(f"{self.where}: {given} is not allowed; expected {expected}")


def read_yaml(path: pathlib.Path) -> YamlValue:
    """The root of a YAML file, see `parse_yaml`.

    Raises:
      ValueError: the file cannot be read or is refused; names file and line.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_yaml(data, str(path))


def parse_yaml(data: bytes, source: str) -> YamlValue:
    """The root of a YAML document.

    Args:
      data: UTF-8 text of at most 64 KiB, without anchors, aliases and tags.
      source: stands for the file in errors.

    Raises:
      ValueError: it is no such text; names file and line.
    """
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{source}: too large; expected at most {_MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{source}:{line}: not UTF-8 text") from None
    try:
        _check_events(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f"{source}:{_line(error.problem_mark)}" if error.problem_mark else source
        raise ValueError(f"{where}: not YAML: {one_line(str(error.problem), 200)}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{source}: not YAML: {one_line(str(error), 200)}") from None
    if root is None:
        raise ValueError(f"{source}: the file is empty")
    return YamlValue(source=source, line=_line(root.start_mark), key="", node=root)


def _check_events(text: str, source: str) -> None:
    """Refuses aliases, which can multiply a text's size, tags, and trees too deep to compose."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{source}:{_line(event.start_mark)}"
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise ValueError(f"{where}: anchors, aliases and tags are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"{where}: nested too deep; expected at most {_MAX_DEPTH} levels")


def _line(mark: Any) -> int:
    return int(mark.line) + 1
