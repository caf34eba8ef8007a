"""Training examples a second: the paper's network in JAX and, if torch is installed, in PyTorch.

python -m benchmarks.training --batch_size=8192
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from flax import nnx
from jaxtyping import Array, Int

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.datasets import StreamedBatches
from airchitect_jax.losses import Loss, loss_fn
from airchitect_jax.models.airchitect import Airchitect
from airchitect_jax.training import TrainState, train_block
from benchmarks import common

flags.adopt_module_key_flags(common)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 8192, "Examples in a step.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 32, "Steps in a timed run.", lower_bound=1)

CASE = ArrayDataflowCase()
EMBEDDING_DIM, HIDDEN = 16, 256


def in_jax(
    workloads: Int[Array, "steps features batch"], design_ids: Int[Array, "steps batch"]
) -> Callable[[], None]:
    """A run of all steps with our own training block; the state moves on from run to run."""
    model = Airchitect(
        CASE.features,
        CASE.space.num_designs,
        embedding_dim=EMBEDDING_DIM,
        hidden_sizes=(HIDDEN,),
        rngs=nnx.Rngs(0),
    )
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    transform = optax.adam(1e-3)
    block = train_block(graphdef, rest, transform, loss_fn(CASE, Loss.LABEL))
    state = TrainState(
        params=params, opt_state=transform.init(params), step=jnp.zeros((), jnp.int32)
    )

    def run() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(block(state, workloads, design_ids))

    return run


def in_torch(
    workloads: Int[np.ndarray, "steps features batch"], design_ids: Int[np.ndarray, "steps batch"]
) -> Callable[[], None]:
    """The same network, batches and optimiser in PyTorch."""
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

    def run() -> None:
        for features, labels in batches:
            adam.zero_grad()
            nn.functional.cross_entropy(network(features), labels).backward()
            adam.step()

    return run


def main() -> None:
    """Times both on the same batches, in turn."""
    source = StreamedBatches(
        case=CASE,
        batch_size=BATCH_SIZE.value,
        steps_per_epoch=STEPS.value,
        seed=common.SEED.value,
    )
    workloads, design_ids = next(source.blocks(0, STEPS.value))
    contenders = {"airchitect_jax": in_jax(workloads, design_ids)}
    if importlib.util.find_spec("torch"):
        contenders["PyTorch"] = in_torch(np.asarray(workloads), np.asarray(design_ids))
    seconds = common.interleaved_seconds(contenders, common.REPEATS.value)
    rates = {name: STEPS.value * BATCH_SIZE.value / time for name, time in seconds.items()}
    common.emit(
        [
            {
                "benchmark": "training, the paper's network, case study 1",
                "contender": name,
                "batch_size": BATCH_SIZE.value,
                "examples_per_second": round(rate),
                "times_pytorch": round(rate / rates["PyTorch"], 2) if "PyTorch" in rates else None,
            }
            for name, rate in rates.items()
        ]
    )


if __name__ == "__main__":
    common.run(main)
