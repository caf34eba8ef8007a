"""SVG of matplotlib as part of a page: colours follow the scheme, marks carry their data."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

# Heading and text pairs of one mark; all marks of an artist have the same headings.
Record = Sequence[tuple[str, str]]

# These follow the scheme of the page; `page.css` has the names.
_ADAPTED = {
    "#000000": "currentColor",
    "#ffffff": "var(--page)",
    "#0072b2": "var(--blue, #0072b2)",
    "#d55e00": "var(--red, #d55e00)",
    "#882255": "var(--wine, #882255)",
    "#332288": "var(--indigo, #332288)",
    "#661100": "var(--maroon, #661100)",
}
_LEAST_FONT_PX = 11.0  # that a page shows
_ENLARGED = 1.5  # the most CSS pixels per point of matplotlib


def page_svg(text: str, name: str, records: Mapping[str, Sequence[Record]]) -> str:
    """An SVG file of matplotlib as markup for a page.

    Args:
      text: the file.
      name: of the figure, unique on the page.
      records: by id of a group, a record for each of its marks.

    Raises:
      ValueError: a group has another number of marks than records.
    """
    root = ET.fromstring(text)  # noqa: S314 - matplotlib wrote it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            key.rpartition("}")[2]: _adapted(value) for key, value in element.attrib.items()
        }
        element.tail = (element.tail or "").strip()
        element.text = (element.text or "").strip()
    for element in list(root.iter("g")):
        if element.get("id") in records:
            _carry(element, records[element.attrib["id"]])
    _rename(root, name)
    width = float(root.attrib["viewBox"].split()[2])
    fonts = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", text)]
    least = width * _LEAST_FONT_PX / min(fonts, default=_LEAST_FONT_PX)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "style": f"min-width: {least:.0f}px; max-width: {max(least, _ENLARGED * width):.0f}px;"
        " stroke-linejoin: round; stroke-linecap: butt",
    }
    return ET.tostring(root, encoding="unicode")


def _adapted(value: str) -> str:
    """An attribute in the colours of the page; the page sets the fonts, too."""
    value = re.sub("#[0-9a-f]{6}", lambda found: _ADAPTED.get(found[0], found[0]), value)
    return " ".join(re.sub("font-family: [^;]*;", "", value).split())


def _carry(group: ET.Element, records: Sequence[Record]) -> None:
    hidden = {mark for defs in group.iter("defs") for mark in defs.iter()}
    marks = [mark for mark in group.iter() if mark.tag in ("path", "use") and mark not in hidden]
    if len(marks) != len(records):
        raise ValueError(f"records: {len(records)} for {len(marks)} marks of {group.get('id')}")
    headings = [name for name, _ in records[0]] if records else []
    group.set("data-headings", json.dumps(headings, ensure_ascii=False))
    for mark, record in zip(marks, records, strict=True):
        mark.set("data-record", json.dumps([text for _, text in record], ensure_ascii=False))


def _rename(root: ET.Element, name: str) -> None:
    """Makes ids unique on the page, and removes those that nothing refers to."""
    used: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.startswith("data-"):
                continue
            for found in re.findall(r"^#(\S+)$|url\(#([^)]+)\)", value):
                used.update(filter(None, found))
            renamed = re.sub(r"^#(?=\S+$)", f"#{name}-", value)
            element.set(key, re.sub(r"url\(#", f"url(#{name}-", renamed))
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{name}-{identity}")
