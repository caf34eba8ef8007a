"""The cycles of the replay beside those of a recommendation."""

from airchitect_jax import Gemm, Layer, Network, recommend, replay
from airchitect_jax.recommendation import replayed, scalesim3_cycles, summary_of
from airchitect_jax.recommendation.tables import layer_rows


def test_the_replay_stands_beside_the_model(monkeypatch):
    network = Network(
        name="net",
        layers=(
            Layer(name="a", m=300, n=200, k=100),
            Layer(name="b", m=30, n=20, k=10),
            Layer(name="c", m=300, n=200, k=100),
        ),
    )
    answer = recommend(network, mac_budget=64, bandwidth_bytes_per_cycle=6, element_bytes=2)
    cycles = scalesim3_cycles(answer)
    assert set(cycles) == {(300, 200, 100), (30, 20, 10)}
    for plan in answer.layers:
        report = replay(
            Gemm(m=plan.layer.m, n=plan.layer.n, k=plan.layer.k),
            answer.design.array,
            plan.dataflow,
            ifmap_sram_kb=answer.design.ifmap_sram_bytes // 2048,
            filter_sram_kb=answer.design.filter_sram_bytes // 2048,
            ofmap_sram_kb=answer.design.ofmap_sram_bytes // 2048,
            bandwidth_words_per_cycle=3,
        )
        assert cycles[plan.gemm] == report.total_cycles

    monkeypatch.setattr(replayed, "MOST_STEPS", 400)  # about a hundred folds
    cycles = scalesim3_cycles(answer)
    assert set(cycles) == {(30, 20, 10)}
    assert [row[9] for row in layer_rows(answer.layers, cycles)][::2] == ["", ""]
    assert summary_of(answer, answer.front(), None, cycles)["scalesim3_cycles"] is None
