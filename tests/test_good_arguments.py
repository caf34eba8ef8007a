"""Good forms of an argument mean the same, and shapes that do not fit are named."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import wrong_values as w

import airchitect_jax as aj

SHAPES = {
    "evaluate": lambda x: aj.evaluate(aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x), w.DESIGN),
    "evaluate_memory": lambda x: aj.evaluate_memory(
        aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x), w.DESIGN, w.MEMORY
    ),
    "label": lambda x: aj.label(dataclasses.replace(w.BUDGETED, m=[1, 2], n=[1, 2, 3], k=x)),
    "label_buffers": lambda x: aj.label_buffers(
        dataclasses.replace(w.BUFFERED, m=[1, 2], n=[1, 2, 3], k=x)
    ),
    "label_schedules": lambda x: aj.label_schedules(
        aj.Gemm(m=np.ones((4, 2), int), n=np.ones((4, 3), int), k=x)
    ),
    "compute_cycles": lambda x: aj.compute_cycles(
        aj.Gemm(m=np.ones(2, int), n=np.ones(3, int), k=x), w.ARRAY, "OS"
    ),
    "replay": lambda x: aj.replay(
        aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x),
        w.ARRAY,
        "OS",
        ifmap_sram_kb=8,
        filter_sram_kb=8,
        ofmap_sram_kb=8,
        bandwidth_words_per_cycle=None,
    ),
    "encode": lambda x: w.SPACE.encode(aj.ArrayDesign(rows=[2, 4], cols=[2, 4, 8], dataflow=0 * x)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ValueError, match=r"^the shapes of (m|rows) \(2,\), (n|cols) \(3,\)"):
        SHAPES[name](1)


def test_schedules_need_a_workload_for_each_array_in_every_field():
    with pytest.raises(ValueError, match=r"^n: the shape \(1, 2\) is not allowed"):
        aj.label_schedules(aj.Gemm(m=np.ones((4, 2), int), n=np.ones((1, 2), int), k=1))


WHOLE = [64, np.int32(64), np.uint8(64), np.array(64), 64.0, np.float32(64), jnp.array(64)]
FLOW_FORMS = [aj.Dataflow.WS, 1, "WS", "ws", np.int64(1), np.array(1), 1.0]
MODEL_FORMS = [aj.RuntimeModel.ISPASS2020, "ispass2020"]


def same(results):
    """Whether all reports or labels are equal, field by field."""
    first, *others = ([np.asarray(x).tolist() for x in vars(result).values()] for result in results)
    return all(other == first for other in others)


def test_numbers_of_every_origin_give_equal_recommendations():
    found = [
        aj.recommend(w.NETWORK, mac_budget=64, sram_budget_kb=384, bandwidth_bytes_per_cycle=64)
    ]
    found += [
        aj.recommend(
            w.NETWORK,
            mac_budget=number,
            sram_budget_kb=number * 6,
            bandwidth_bytes_per_cycle=number,
            weights=[number // 64],
            runtime_model="scalesim",
            interface="shared",
            objective="cycles",
        )
        for number in WHOLE
        if number is not WHOLE[2]  # 6 times 64 is no uint8
    ]
    large = aj.Network(name="large", layers=(aj.Layer(name="a", m=10**5, n=3000, k=3000),))
    found_large = [
        aj.recommend(large, mac_budget=64, bandwidth_bytes_per_cycle=number).cycles
        for number in (64, np.int32(64))
    ]
    assert len({(one.cost, one.energy_fj, one.design) for one in found}) == 1
    assert found_large[0] == found_large[1]
    assert {type(one.cycles) for one in found} == {int}


def test_layers_and_spaces_hold_python_integers():
    for number in WHOLE:
        layer = aj.Layer(name="a", m=number, n=number, k=number, count=number)
        assert layer == aj.Layer(name="a", m=64, n=64, k=64, count=64)
        assert type(layer.macs) is int
        space = aj.ScheduleSpace(arrays=[aj.ArrayShape(rows=number, cols=number)] * 2)
        assert hash(space) == hash(aj.ScheduleSpace(arrays=(aj.ArrayShape(rows=64, cols=64),) * 2))
        assert aj.BufferSpace(step_kb=number) == aj.BufferSpace(step_kb=64)


def test_choices_are_members_or_their_values():
    cycles = {
        aj.compute_cycles(w.GEMM, w.ARRAY, flow, m) for flow in FLOW_FORMS for m in MODEL_FORMS
    }
    assert cycles == {2 * 4 * (16 + 8 + 64 - 2)}
    assert aj.compute_report(w.GEMM, w.ARRAY, "OS") == aj.compute_report(
        w.GEMM, w.ARRAY, aj.Dataflow.OS
    )
    small = aj.ArrayDataflowSpace(max_mac_exponent=2)
    assert same([aj.label(w.BUDGETED, small, runtime_model=model) for model in MODEL_FORMS])
    one = aj.BufferSpace(num_levels=1)
    workloads = [dataclasses.replace(w.BUFFERED, dataflow=flow) for flow in FLOW_FORMS]
    assert same([aj.label_buffers(w, one, interface="ports") for w in workloads])
    forms = ("energy", aj.Objective.ENERGY)
    assert same([aj.label_buffers(w.BUFFERED, one, objective=form) for form in forms])
    shared, ports = (
        aj.recommend(w.NETWORK, mac_budget=64, bandwidth_bytes_per_cycle=1, interface=form).cost
        for form in ("shared", "ports")
    )
    assert shared > ports


def test_dataflows_of_a_batch_may_be_ids_or_one_name():
    design = dataclasses.replace(w.DESIGN, dataflow="WS")
    ids = dataclasses.replace(w.DESIGN, dataflow=np.array([1, 1]))
    reports = [aj.evaluate(w.GEMM, each, runtime_model="ispass2020") for each in (design, ids)]
    assert reports[0].compute_cycles == reports[1].compute_cycles[1] == 688


def test_a_platform_names_its_models():
    named = aj.Platform(runtime_model="ispass2020", interface="ports")
    assert named.runtime_model is aj.RuntimeModel.ISPASS2020
    assert named.interface is aj.Interface.PORTS


def test_a_price_beyond_int64_is_refused():
    table = aj.EnergyTable(sram_exponent=9.0)
    with pytest.raises(ValueError, match=r"^sram_exponent: 9\.0 is not allowed with sram_bytes"):
        table.sram_fj_per_byte(2**30)
