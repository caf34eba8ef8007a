"""What a network answers, and what it has learnt after a short training."""

import jax
from flax import nnx

from airchitect_jax.learning import (
    Loss,
    Optimizer,
    Recommender,
    Split,
    StreamedBatches,
    TrainConfig,
    evaluate_recommender,
    fit,
    loss_fn,
    sample_dataset,
)


@nnx.jit
def logits(model, workloads):
    """In one program: outside of one, each operation is compiled for itself."""
    return model(workloads)


def learn(
    model,
    case,
    *,
    steps,
    batch_size,
    loss=Loss.COST,
    optimizer=Optimizer.MOMENTUM,
    learning_rate=0.02,
):
    """The trained network, and its metrics on unseen workloads."""
    unseen = sample_dataset(case, seed=0, num=2000, split=Split.VALIDATION)
    source = StreamedBatches(case=case, batch_size=batch_size, steps_per_epoch=steps, seed=0)
    config = TrainConfig(epochs=1, learning_rate=learning_rate, optimizer=optimizer)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        trained = fit(model, source, unseen, config, loss_fn(case, loss)).model
    return trained, evaluate_recommender(case, Recommender(case, trained), unseen).metrics
