"""Inputs with which the scalesim package runs a recommended design."""

from __future__ import annotations

import pathlib

from airchitect_jax._support import files
from airchitect_jax.recommendation.exact import Recommendation
from airchitect_jax.scalesim import ScalesimConfig, write_config
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Layer, Network, write_topology


def write_simulator_inputs(recommendation: Recommendation, folder: pathlib.Path) -> None:
    """A configuration and a topology for each dataflow: the package runs one at a time."""
    design, platform = recommendation.design, recommendation.survey.platform
    words = 1024 * platform.element_bytes  # bytes of a kilobyte of words
    for flow in Dataflow:
        layers: tuple[Layer, ...] = tuple(
            plan.layer for plan in recommendation.layers if plan.dataflow is flow
        )
        if not layers:
            continue
        name = flow.name.lower()
        config = ScalesimConfig(
            rows=design.rows,
            cols=design.cols,
            dataflow=flow,
            ifmap_sram_kb=max(design.ifmap_sram_bytes // words, 1),
            filter_sram_kb=max(design.filter_sram_bytes // words, 1),
            ofmap_sram_kb=max(design.ofmap_sram_bytes // words, 1),
            bandwidth_words_per_cycle=max(
                platform.bandwidth_bytes_per_cycle // platform.element_bytes, 1
            ),
            notes=(),
        )
        write_config(folder / f"{name}.cfg", config, name=f"recommended_{name}")
        write_topology(folder / f"{name}.csv", Network(name=name, layers=layers), counts=False)
    files.write_text(folder / "layout.csv", "Layer name,\n")  # which the package asks for
