"""Training examples per second of the networks in JAX and, if installed, in PyTorch.

python -m benchmarks.training --batch_size=8192
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from flax import nnx
from jaxtyping import Array, Int

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.learning import Loss, StreamedBatches, TrainState, loss_fn, spread, train_block
from airchitect_jax.learning.models import make_model
from benchmarks import common

flags.adopt_module_key_flags(common)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 8192, "Examples per step.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 32, "Steps per timed run.", lower_bound=1)
DEVICES = flags.DEFINE_integer(
    "devices", os.cpu_count(), "Number of CPU devices of the multi-device run.", lower_bound=1
)
COMPILE = flags.DEFINE_boolean(
    "torch_compile", False, "Also time torch.compile, which needs a C++ compiler."
)

CASE = ArrayDataflowCase()
EMBEDDING_DIM, HIDDEN = 16, 256
# The networks' losses and optimisers. Step sizes do not affect the time.
NETWORKS = {
    "paper": (Loss.LABEL, optax.adam(1e-3)),
    "additive": (Loss.COST, optax.sgd(1e-3, momentum=0.9)),
}
EAGER = "paper, PyTorch"
PRODUCT = "product of square matrices"
# Of the paper's network: forward and backward passes of all layers but the embeddings.
FLOPS = 6 * (EMBEDDING_DIM * len(CASE.features) * HIDDEN + HIDDEN * CASE.space.num_designs)
SIDE = 2048  # of the square matrices whose product gives the machine's peak rate


def in_jax(
    workloads: Int[Array, "steps features batch"],
    design_ids: Int[Array, "steps batch"],
    *,
    network: str,
    devices: Sequence[jax.Device],
) -> Callable[[], None]:
    """A run of all steps with `train_block`; the state carries over to the next run."""
    model = make_model(CASE, network, embedding_dim=EMBEDDING_DIM, hidden_sizes=(HIDDEN,), seed=0)
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    loss, transform = NETWORKS[network]
    block = train_block(graphdef, rest, transform, loss_fn(CASE, loss))
    state = TrainState(
        params=params, opt_state=transform.init(params), step=jnp.zeros((), jnp.int32)
    )
    state, batches = spread(state, (workloads, design_ids), devices)

    def run() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(block(state, *batches))

    return run


def in_torch(
    workloads: Int[np.ndarray, "steps features batch"],
    design_ids: Int[np.ndarray, "steps batch"],
    *,
    compiled: bool,
) -> Callable[[], None]:
    """The paper's network with the same batches and optimiser in PyTorch."""
    import torch
    from torch import nn

    lows = torch.tensor([feature.low for feature in CASE.features])

    class Network(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = nn.ModuleList(
                nn.Embedding(feature.cardinality, EMBEDDING_DIM) for feature in CASE.features
            )
            self.hidden = nn.Linear(EMBEDDING_DIM * len(CASE.features), HIDDEN)
            self.logits = nn.Linear(HIDDEN, CASE.space.num_designs)

        def forward(self, features: Any) -> Any:
            parts = [table(x) for table, x in zip(self.embeddings, features, strict=True)]
            return self.logits(torch.relu(self.hidden(torch.cat(parts, dim=-1))))

    network = Network()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    batches = [
        (torch.tensor(x).long() - lows[:, None], torch.tensor(y).long())
        for x, y in zip(workloads, design_ids, strict=True)
    ]

    def loss(features: Any, labels: Any) -> Any:
        return nn.functional.cross_entropy(network(features), labels)

    if compiled:
        loss = torch.compile(loss)

    def run() -> None:
        for features, labels in batches:
            adam.zero_grad()
            loss(features, labels).backward()
            adam.step()

    return run


def main() -> None:
    """Times all contenders in turn on the same batches, and a large matrix product."""
    jax.config.update("jax_num_cpu_devices", DEVICES.value)
    source = StreamedBatches(
        case=CASE, batch_size=BATCH_SIZE.value, steps_per_epoch=STEPS.value, seed=common.SEED.value
    )
    batches = next(source.blocks(0, STEPS.value))
    devices = jax.local_devices()
    square = jnp.ones((SIDE, SIDE))
    contenders: dict[str, Callable[[], Any]] = {
        PRODUCT: lambda: jax.block_until_ready(jnp.matmul(square, square))
    }
    for count in sorted({1, len(devices)}):
        for network in NETWORKS:
            contenders[f"{network}, JAX, devices: {count}"] = in_jax(
                *batches, network=network, devices=devices[:count]
            )
    if importlib.util.find_spec("torch"):
        arrays = [np.asarray(array) for array in batches]
        contenders[EAGER] = in_torch(*arrays, compiled=False)
        if COMPILE.value:
            contenders[f"{EAGER}, torch.compile"] = in_torch(*arrays, compiled=True)
    seconds = common.interleaved_seconds(contenders, common.REPEATS.value)
    peak = 2 * SIDE**3 / seconds.pop(PRODUCT)
    rates = {name: STEPS.value * BATCH_SIZE.value / time for name, time in seconds.items()}
    common.emit(
        [
            {
                "benchmark": "training, case study 1",
                "contender": name,
                "batch_size": BATCH_SIZE.value,
                "examples_per_second": round(rate),
            }
            | (compared(rate, rates.get(EAGER), peak) if name.startswith("paper") else {})
            for name, rate in rates.items()
        ]
    )


def compared(rate: float, in_torch: float | None, peak: float) -> dict[str, float | None]:
    """The rate of the paper's network relative to PyTorch and to `peak` operations per second."""
    return {
        "times_pytorch": in_torch and round(rate / in_torch, 2),
        "gflops": round(FLOPS * rate / 1e9, 1),
        "gflops_of_matrix_product": round(peak / 1e9, 1),
    }


if __name__ == "__main__":
    common.run(main)
