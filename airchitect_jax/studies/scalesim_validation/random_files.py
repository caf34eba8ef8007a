"""Random inputs of the scalesim package, as its own files: one kind for each of its features.

A run is a kind and a seed. Its size is such that the package takes a fraction of a second.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from airchitect_jax.scalesim.package import RunInputs
from airchitect_jax.studies.scalesim_validation.random_draws import Draw, Kind
from airchitect_jax.studies.scalesim_validation.random_layers import random_layers, topology_text
from airchitect_jax.studies.scalesim_validation.random_layouts import layout_text
from airchitect_jax.studies.scalesim_validation.random_settings import config_text, random_settings

# A kind keeps its place: seeds depend on it.
KINDS: Mapping[str, Kind] = {
    "gemm": Kind(gemm=True),
    "convolution": Kind(gemm=False),
    "depthwise": Kind(gemm=False, depthwise=True),
    "sparsity by layer": Kind(sparse=True),
    "sparsity by row": Kind(row_wise=True),
    "layouts": Kind(layouts=True),
    "ports": Kind(ports=True, largest_side=24),
    "latencies": Kind(latencies=True),
    "mixed": Kind(mixed=True, depthwise=True),
    "extremes": Kind(mixed=True, extreme=True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomFiles:
    """The files of one run.

    Attributes:
      config, topology, layout: their texts.
      latencies: of DRAM requests, by file name.
      gemm: the topology is one of GEMMs.
      traces: the run writes traces, too.
    """

    config: str
    topology: str
    layout: str
    latencies: Mapping[str, Int[np.ndarray, " requests"]]
    gemm: bool
    traces: bool

    def write(self, folder: pathlib.Path) -> RunInputs:
        """Writes them into a folder, which is made."""
        folder.mkdir(parents=True)
        inputs = RunInputs(folder=folder, gemm=self.gemm, traces=self.traces)
        inputs.config.write_text(self.config)
        inputs.topology.write_text(self.topology)
        inputs.layout.write_text(self.layout)
        if self.latencies:
            (folder / "results").mkdir()
        for name, values in self.latencies.items():
            np.save(folder / "results" / name, values)
        return inputs


def random_files(name: str, seed: int) -> RandomFiles:
    """The run of a kind, by its name in `KINDS`, and a seed: the same each time."""
    kind, draw = KINDS[name], Draw(list(KINDS).index(name), seed)
    either = draw.chance(0.5)
    gemm = either if kind.gemm is None else kind.gemm
    settings = random_settings(draw, kind)
    layers = random_layers(draw, kind, settings, gemm=gemm)
    latencies: dict[str, Int[np.ndarray, " requests"]] = {}
    if settings.latencies:
        count = sum(layer.channels if layer.depthwise else 1 for layer in layers)
        for layer in range(count):
            for operand in ("ifmap", "filter", "ofmap"):
                latencies[f"_{operand}File{layer}.npy"] = _latencies(draw)
    config, topology = config_text(draw, settings), topology_text(draw, layers, gemm=gemm)
    layout = "Layer name,\n"
    if settings.ifmap.layout or settings.filter.layout:
        layout = layout_text(
            draw.rng,
            [layer.dims for layer in layers],
            ifmap_words=settings.ifmap.words,
            filter_words=settings.filter.words,
        )
    return RandomFiles(
        config=config,
        topology=topology,
        layout=layout,
        latencies=latencies,
        gemm=gemm,
        traces=draw.chance(0.4),
    )


def _latencies(draw: Draw) -> Int[np.ndarray, " requests"]:
    """Of up to some thousand requests; the package takes those over 10000 for none."""
    size = draw.pick(0, 5, 100, 1000, 5000)
    top = draw.pick(3, 40, 200)
    values = draw.rng.integers(1, top, size, endpoint=True)
    values[draw.rng.random(size) < 0.01] = 20000
    return values
