"""Training a recommendation network: one compiled program for many steps, resumable."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding
from jaxtyping import Array, Int

from airchitect_jax._support import batch_mesh
from airchitect_jax.learning.checkpoint_files import (
    newest_checkpoint,
    restore_checkpoint,
    save_checkpoint,
)
from airchitect_jax.learning.datasets import BatchSource, Dataset
from airchitect_jax.learning.losses import Loss, LossFn

Row = dict[str, float | int]

BLOCK_STEPS = 64  # steps in one compiled call
_WARMUP_SHARE = 0.02  # of all steps; the first updates of Adam are unreliable
_MOMENTUM = 0.9
_VALIDATION_BATCH = 8192  # or four training batches, which bounds the memory by that of a step


class Optimizer(enum.Enum):
    """ADAM; MUON, with orthogonal updates of matrices; or plain gradient descent with MOMENTUM.

    MOMENTUM suits squared errors of networks whose inputs are all decorrelated.
    """

    ADAM = "adam"
    MUON = "muon"
    MOMENTUM = "momentum"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of `fit`.

    Attributes:
      epochs: passes over the source; also how often validation runs and a checkpoint is written.
      learning_rate: the peak, reached after a short warm-up, then cosine decay to zero.
    """

    epochs: int
    learning_rate: float
    optimizer: Optimizer = Optimizer.ADAM


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The settings of a run of any case study. `num_train` counts the examples of one epoch.

    `small_share` of the dimensions of streamed examples are log-uniform, whatever the test set has.

    `model` is the name of a registered network. Only "paper" has embeddings, only it and
    "airchitect" have hidden layers, and only networks that predict costs can use the loss "cost".
    """

    preset: str
    seed: int
    num_train: int
    num_test: int
    num_validation: int
    epochs: int
    batch_size: int
    learning_rate: float
    embedding_dim: int
    hidden_sizes: tuple[int, ...]
    stream: bool
    loss: str = Loss.LABEL.value
    model: str = "paper"
    optimizer: str = Optimizer.ADAM.value
    small_share: float = 0.0


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["params", "opt_state", "step"], meta_fields=[]
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainState:
    """The state that a step updates."""

    params: nnx.State[Any, Any]
    opt_state: optax.OptState
    step: Int[Array, ""]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained model.

    Attributes:
      model: the model with its trained parameters.
      history: one row per block of steps; the last of an epoch also has the validation metrics.
      seconds: wall time of this call; the history of a resumed run covers more.
    """

    model: nnx.Module
    history: list[Row]
    seconds: float


def optimizer(config: TrainConfig, total_steps: int) -> optax.GradientTransformation:
    """The optimiser with a short warm-up and cosine decay to zero."""
    warmup = max(1, round(_WARMUP_SHARE * total_steps))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, max(total_steps, warmup + 1)
    )
    if config.optimizer is Optimizer.MOMENTUM:
        return optax.sgd(schedule, momentum=_MOMENTUM)
    if config.optimizer is Optimizer.MUON:
        return optax.contrib.muon(schedule)
    return optax.adam(schedule)


def train_block(
    graphdef: Any, rest: Any, transform: optax.GradientTransformation, loss: LossFn
) -> Callable[[TrainState, Array, Array], tuple[TrainState, tuple[Array, Array]]]:
    """A compiled function: state and the batches of several steps in, state and means out.

    One program for many steps, so that Python and dispatch cost little; the state is donated.

    Args:
      graphdef: the model without its parameters, from `nnx.split`.
      rest: the state of the model other than its parameters.
      transform: the optimiser.
      loss: the quantity to minimise.

    Returns:
      A function of the state, Int[steps, features, batch] workloads and Int[steps, *values, batch]
      design ids, to the new state and the mean loss and accuracy.
    """

    def of_params(
        params: nnx.State[Any, Any], workloads: Array, design_ids: Array
    ) -> tuple[Array, Array]:
        return loss(nnx.merge(graphdef, params, rest), workloads, design_ids)

    def step(
        state: TrainState, batch: tuple[Array, Array]
    ) -> tuple[TrainState, tuple[Array, Array]]:
        metrics, grads = jax.value_and_grad(of_params, has_aux=True)(state.params, *batch)
        updates, opt_state = transform.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params=params, opt_state=opt_state, step=state.step + 1), metrics

    @functools.partial(jax.jit, donate_argnums=0)
    def block(
        state: TrainState, workloads: Array, design_ids: Array
    ) -> tuple[TrainState, tuple[Array, Array]]:
        state, metrics = jax.lax.scan(step, state, (workloads, design_ids))
        return state, jax.tree.map(jnp.mean, metrics)

    return block


def spread(
    state: TrainState, batches: tuple[Array, Array], devices: Sequence[jax.Device]
) -> tuple[TrainState, tuple[Array, Array]]:
    """Gives each device a part of every batch, and all of the state: data parallelism.

    As many of the devices as divide the batch; with one, nothing is moved. If devices of several
    processes are among them, each process gives the same batches and the same state.

    Raises:
      ValueError: the devices of several processes do not divide the batch.
    """
    batch = batches[1].shape[-1]
    count = math.gcd(len(devices), batch)
    if jax.process_count() > 1:
        if count < len(devices):
            raise ValueError(
                f"batch_size: {batch} workloads are not allowed; expected a multiple of the"
                f" {len(devices)} devices of all processes"
            )
        batches = jax.device_get(batches)
    elif count == 1:
        return state, batches
    mesh = batch_mesh(devices[:count])
    workloads, design_ids = (
        jax.make_array_from_process_local_data(
            NamedSharding(mesh, jax.P(*(None,) * (array.ndim - 1), "batch")), array, array.shape
        )
        for array in batches
    )
    return jax.device_put(state, NamedSharding(mesh, jax.P())), (workloads, design_ids)


def _of_first_process(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The arrays of process 0, on all devices of all processes."""
    mesh = batch_mesh(devices)

    def stacked(leaf: Array) -> Array:
        own = np.asarray(leaf)[None].view(f"u{leaf.dtype.itemsize}")  # floats may lose denormals
        return jax.make_array_from_callback(
            (len(devices), *leaf.shape), NamedSharding(mesh, jax.P("batch")), lambda _: own
        )

    def first(stacks: Any) -> Any:
        return jax.tree.map(
            lambda stack, leaf: jax.lax.bitcast_convert_type(stack[0], leaf.dtype), stacks, tree
        )

    everywhere = NamedSharding(mesh, jax.P())
    return jax.jit(first, out_shardings=everywhere)(jax.tree.map(stacked, tree))


def fit(
    model: nnx.Module,
    source: BatchSource,
    validation: Dataset,
    config: TrainConfig,
    loss: LossFn,
    *,
    checkpoint_dir: pathlib.Path | None = None,
    on_rows: Callable[[list[Row], int], None] | None = None,
) -> FitResult:
    """Trains `model` on all devices and returns it with its history.

    If several processes share the devices (`jax.distributed`), all of them call this alike, but
    for `checkpoint_dir`, which process 0 alone gives. All train what that one starts from.

    Args:
      model: a model that the loss accepts; its initial parameters are used unless `checkpoint_dir`
        holds a checkpoint.
      source: the training batches.
      validation: workloads that training does not see, evaluated after every epoch.
      config: epochs and learning rate.
      loss: the quantity to minimise, also reported for the validation set.
      checkpoint_dir: an absolute path; written after every epoch and resumed from. A resumed run
        ends like an uninterrupted one.
      on_rows: called after every block with the history so far and the number of steps in all.

    Raises:
      ValueError: the source has no full batch, or one that cannot be shared, or no checkpoint is
        whole.
    """
    if source.steps_per_epoch < 1:
        raise ValueError("batch_size: larger than the number of training examples in an epoch")
    total_steps = config.epochs * source.steps_per_epoch
    transform = optimizer(config, total_steps)
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    state = TrainState(
        params=params, opt_state=transform.init(params), step=jnp.zeros((), jnp.int32)
    )
    history: list[Row] = []
    newest = newest_checkpoint(checkpoint_dir) if checkpoint_dir is not None else None
    if newest is not None:
        arrays, history = restore_checkpoint(newest, named_leaves(state) | fixed_leaves(rest))
        leaves = [arrays[name] for name in named_leaves(state)]
        state = jax.tree.unflatten(jax.tree.structure(state), leaves)
        fixed = [arrays[name] for name in fixed_leaves(rest)]
        rest = jax.tree.unflatten(jax.tree.structure(rest), fixed)
    devices = jax.devices()
    if jax.process_count() > 1:
        state, rest = _of_first_process((state, rest), devices)
        rest = jax.device_get(rest)

    validate = jax.jit(
        lambda params, workloads, design_ids: loss(
            nnx.merge(graphdef, params, rest), workloads, design_ids
        )
    )
    train = train_block(graphdef, rest, transform, loss)
    before = float(history[-1]["seconds"]) if history else 0.0
    start = time.perf_counter()
    step = int(state.step)
    for epoch in range(step // source.steps_per_epoch, config.epochs):
        for workloads, design_ids in source.blocks(epoch, BLOCK_STEPS):
            state, batches = spread(state, (workloads, design_ids), devices)
            state, (nats, accuracy) = train(state, *batches)
            step += len(design_ids)
            row: Row = {
                "epoch": epoch + 1,
                "step": step,
                "examples": step * design_ids[0].size,
                "loss": float(nats),  # waits for the device
                "accuracy": float(accuracy),
                "seconds": round(before + time.perf_counter() - start, 3),
            }
            history.append(row)
            if step == (epoch + 1) * source.steps_per_epoch:
                rows = min(_VALIDATION_BATCH, 4 * design_ids[0].size)
                row |= _validate(validate, state.params, validation, rows)
                if checkpoint_dir is not None:
                    arrays = named_leaves(state) | fixed_leaves(rest)
                    save_checkpoint(checkpoint_dir, step, arrays, history)
            if on_rows is not None:
                on_rows(history, total_steps)
    params = jax.tree.map(jnp.asarray, jax.device_get(state.params))  # bound to no device
    return FitResult(
        model=nnx.merge(graphdef, params, rest),
        history=history,
        seconds=time.perf_counter() - start,
    )


def _validate(
    metrics_of: Callable[[Any, Any, Any], Any],
    params: nnx.State[Any, Any],
    validation: Dataset,
    batch: int,
) -> Row:
    num = len(validation)
    totals = [0.0, 0.0]
    for first in range(0, num, batch):
        rows = slice(first, min(first + batch, num))
        metrics = metrics_of(params, validation.workloads[:, rows], validation.design_ids[rows])
        for index, value in enumerate(metrics):
            totals[index] += float(value) * (rows.stop - rows.start)
    return {"validation_loss": totals[0] / num, "validation_accuracy": totals[1] / num}


def named_leaves(state: Any) -> dict[str, Array]:
    """The leaves of a pytree by readable names, so that a checkpoint outlives its classes."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def fixed_leaves(rest: Any) -> dict[str, Array]:
    """What a network has beside its parameters, by names that differ from theirs.

    Statistics of the inputs are not the same to the last bit on every machine, and a trained
    network needs its own.
    """
    return {f"fixed.{name}": leaf for name, leaf in named_leaves(rest).items()}
