"""Every program of the public interface can be lowered for GPUs and TPUs; nothing is compiled."""

import functools

import jax
import numpy as np
import pytest
from flax import nnx
from jax import export

from airchitect_jax import (
    ArrayDataflowSpace,
    BudgetedGemm,
    BufferedGemm,
    BufferSpace,
    Gemm,
    Objective,
    label,
    label_buffers,
    label_schedules,
    load_pretrained,
)
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.cost import Platform
from airchitect_jax.cost import evaluate as evaluation
from airchitect_jax.learning import Loss, Recommender, TrainConfig, loss_fn
from airchitect_jax.learning.models.paper import PaperNetwork
from airchitect_jax.learning.training import TrainState, optimizer, train_block
from airchitect_jax.oracle import array_dataflow, ranking
from airchitect_jax.oracle.joint import fewest_cycles
from airchitect_jax.scalesim import replay
from airchitect_jax.scalesim.replay_counts import Setup

ROWS = 8
SHAPES = ArrayDataflowSpace(max_mac_exponent=3)
SIZINGS = BufferSpace(step_kb=1, num_levels=2)
ONES = jax.ShapeDtypeStruct((ROWS,), np.int64)
PLATFORMS = ["cuda", "tpu"]
FIELDS = dict.fromkeys(("m", "n", "k"), ONES)
BUDGETED = BudgetedGemm(mac_budget=ONES, **FIELDS)
BUFFERED = BufferedGemm(
    sram_budget_bytes=ONES,
    rows=ONES,
    cols=ONES,
    dataflow=ONES,
    bandwidth_bytes_per_cycle=ONES,
    **FIELDS,
)
SETS = Gemm(**dict.fromkeys(("m", "n", "k"), jax.ShapeDtypeStruct((4, ROWS), np.int64)))
LABELLERS = {
    **{
        f"label, {one.value}": (functools.partial(label, space=SHAPES, objective=one), BUDGETED)
        for one in Objective
    },
    **{
        f"label_buffers, {one.value}": (
            functools.partial(label_buffers, space=SIZINGS, objective=one),
            BUFFERED,
        )
        for one in Objective
    },
    "label_schedules": (label_schedules, SETS),
}


def exported(program, *arguments, platforms=PLATFORMS, **options):
    with jax.enable_x64(True):
        return export.export(jax.jit(program), platforms=platforms)(*arguments, **options)


@pytest.mark.parametrize("name", LABELLERS)
def test_labellers(name):
    labeller, workloads = LABELLERS[name]
    assert exported(labeller, workloads).platforms == tuple(PLATFORMS)


@pytest.mark.parametrize("name", [name for name in LABELLERS if "edp" not in name])
def test_labels_of_tpus_need_no_float64(name):
    labeller, workloads = LABELLERS[name]
    assert "f64" not in exported(labeller, workloads, platforms=["tpu"]).mlir_module()
    assert "f64" in exported(labeller, workloads, platforms=["cuda"]).mlir_module()


def test_evaluations():
    columns = [ONES] * 6
    exported(functools.partial(evaluation._evaluate, platform=Platform()), columns)
    columns += [ONES] * (5 + len(evaluation._PRICES))
    exported(functools.partial(evaluation._evaluate_memory, platform=Platform()), columns)


def test_rankings():
    settings = {"count": 2, "space": SHAPES, "platform": Platform()}
    columns = [ONES] * 4
    exported(functools.partial(array_dataflow.ranked_columns, **settings), columns)
    exported(functools.partial(ranking.best_designs, **settings), columns)


def test_whole_networks():
    settings = {"buffers": SIZINGS, "platform": Platform()}
    wide = [jax.ShapeDtypeStruct(shape, np.float64) for shape in ((2, 3), (2,), (3,), (3,))]
    exported(functools.partial(fewest_cycles._cubes, **settings), *wide)


def test_replays():
    exported(functools.partial(replay._replay_padded, slots=1), Setup(*[ONES] * len(Setup._fields)))


@pytest.mark.slow
def test_a_packaged_network():
    predictor = load_pretrained("case_study1")
    workloads = jax.ShapeDtypeStruct((len(predictor.case.features), ROWS), np.int32)
    export.export(predictor._choose, platforms=PLATFORMS)(predictor._state, workloads)


@pytest.mark.parametrize("case", [ArrayDataflowCase(), BufferCase(), ScheduleCase()])
def test_networks(case):
    model = nnx.eval_shape(
        lambda: PaperNetwork(case.features, case.space.num_designs, rngs=nnx.Rngs(0))
    )
    workloads = jax.ShapeDtypeStruct((len(case.features), ROWS), np.int32)
    recommender = Recommender(case, model)
    export.export(recommender._top, platforms=PLATFORMS)(recommender._state, workloads, count=2)

    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    transform = optimizer(TrainConfig(epochs=1, learning_rate=0.1), 9)
    train = train_block(graphdef, rest, transform, loss_fn(case, Loss.LABEL))
    state = TrainState(
        params=params,
        opt_state=jax.eval_shape(transform.init, params),
        step=jax.ShapeDtypeStruct((), np.int32),
    )
    steps = jax.ShapeDtypeStruct((2, *workloads.shape), np.int32)
    ids = jax.ShapeDtypeStruct((2, ROWS), np.int32)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        export.export(train, platforms=PLATFORMS)(state, steps, ids)
