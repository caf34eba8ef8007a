"""The layers and the machine on which best mappings are compared."""

from __future__ import annotations

from typing import NamedTuple

from airchitect_jax.cost import Platform, Widths
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import Gemm, Hardware, MemoryModel
from airchitect_jax.workloads import load_network

_KIB = 2**10

# One core whose SRAMs hold no layer as a whole. All widths are the same, so that the models agree
# on the traffic of partial sums; its bandwidth is whole bits per cycle, which ZigZag needs.
PLATFORM = Platform(
    name="32 x 32 units, 128 KiB per operand, 32 GB/s, 1 GHz, 16 bits",
    memory_model=MemoryModel.TILED,
    clock_hz=10**9,
    hardware=HardwareSpace(
        rows=(32,),
        cols=(32,),
        ifmap_sram_bytes=(128 * _KIB,),
        filter_sram_bytes=(128 * _KIB,),
        ofmap_sram_bytes=(128 * _KIB,),
        bandwidth_bytes_per_second=(32 * 10**9,),
    ),
    widths=Widths(input_bits=16, weight_bits=16, accumulator_bits=16, output_bits=16),
)
_CHOSEN = {
    "resnet50": ("conv1", "conv2_1_3x3", "conv3_1_3x3", "conv4_2_1x1_reduce", "conv5_1_3x3", "fc"),
    "bert_base": ("qkv", "attention_scores", "mlp_down"),
    "llama3_8b_prefill_b1_c2048": ("attention_scores", "attention_output"),
    "llama3_8b_decode_b1_c2048": ("attention_scores", "mlp_down"),
}


class Layer(NamedTuple):
    """A layer of a packaged network."""

    network: str
    name: str
    gemm: Gemm


def hardware() -> Hardware:
    """The machine."""
    return PLATFORM.hardware_of()


def layers() -> list[Layer]:
    """Layers of ResNet-50, BERT and Llama 3: the largest, the smallest and those in between."""
    return [
        Layer(network, layer.name, Gemm(m=layer.m, n=layer.n, k=layer.k))
        for network, names in _CHOSEN.items()
        for layer in load_network(network).layers
        if layer.name in names
    ]
