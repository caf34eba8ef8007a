"""A registry by name: case studies, cost terms, searchers, networks and what is made of them."""

from __future__ import annotations

import importlib
import types
from collections.abc import Mapping
from typing import Any

# The kinds, and the module that registers the built-in entries of each.
_BUILT_IN = {
    "case_study": "airchitect_jax.case_studies",
    "competitor": "airchitect_jax.baselines.registry",
    "cost_term": "airchitect_jax.cost",
    "network": "airchitect_jax.learning.models.registry",
    "pretrained": "airchitect_jax.pretrained",
    "searcher": "airchitect_jax.search.registry",
}
_things: dict[str, dict[str, Any]] = {kind: {} for kind in _BUILT_IN}


def register(kind: str, name: str, thing: Any) -> None:
    """Makes a thing available by name, in the library and in the scripts' flags.

    Scripts accept the name once its module is imported: `--plugin=my_module`. Registering a name
    again replaces its entry.

    Args:
      kind: "case_study" (a subclass of `CaseStudy`), "cost_term" (a `CostTerm`), "searcher" (a
        `search.registry.Entry`), "network" (a `NetworkRecipe`), "pretrained" (a `Kind`) or
        "competitor" (a function from a case study to a `Competitor`).
      name: the name to find it by; not empty, without commas.
      thing: the entry.

    Raises:
      ValueError: there is no such kind, or the name is not allowed.

    Example:
      >>> term = aj.CostTerm(name="dispatch", cycles=lambda gemm, array, dataflow: 100)
      >>> aj.register("cost_term", "dispatch", term)
      >>> aj.Platform(terms=("dispatch",)).term_names
      'dispatch'
    """
    _check_kind(kind)
    if not isinstance(name, str) or not name or "," in name:
        raise ValueError(f"name: {name!r} is not allowed; expected a text without commas")
    _things[kind][name] = thing


def registered(kind: str) -> Mapping[str, Any]:
    """All things of a kind by name, in the order in which they were registered.

    Raises:
      ValueError: there is no such kind.
    """
    _check_kind(kind)
    importlib.import_module(_BUILT_IN[kind])
    return types.MappingProxyType(_things[kind])


def find(kind: str, name: str) -> Any:
    """The entry with a name.

    Raises:
      ValueError: the name is not registered; lists the known names.
    """
    things = registered(kind)
    if name not in things:
        raise ValueError(f"{kind}: {name!r} is not allowed; expected {', '.join(things)}")
    return things[name]


def _check_kind(kind: str) -> None:
    if not isinstance(kind, str) or kind not in _BUILT_IN:
        raise ValueError(f"kind: {kind!r} is not allowed; expected {', '.join(_BUILT_IN)}")
