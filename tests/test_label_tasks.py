"""What the labelling tasks write: ranks, ties, all costs, other case studies."""

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import reference
from engine_runs import close, files, read, run

from airchitect_jax import ArrayDataflowSpace
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost import Platform
from airchitect_jax.labelling import (
    ArrayDataflowTask,
    CaseTask,
    Report,
)
from airchitect_jax.oracle import ranking
from airchitect_jax.types import Objective


def label_file(task, rows, folder):
    """Labels of rows of a file, as records."""
    path = folder / "in.parquet"
    columns = map(list, zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(task.inputs, columns, strict=True))), path)
    run(files(path, columns=task.inputs), folder, task)
    return read(folder).to_pylist()


def sorted_costs(budget, m, n, k):
    return sorted(
        (reference.cycles(m, n, k, rows, cols, flow, "scalesim"), design_id)
        for design_id, (rows, cols, flow) in enumerate(reference.designs())
        if rows * cols <= budget
    )


def test_topk_runner_up_ties_and_costs(tmp_path):
    rows = [(4, 3, 3, 3), (64, 5, 5, 5), (1024, 4, 4, 4), (2**18, 77, 1, 1000)]
    task = ArrayDataflowTask(topk=5, runner_up=True, report=Report.COSTS)
    for row, result in zip(rows, label_file(task, rows, tmp_path), strict=True):
        ranked = sorted_costs(*row)
        best = [*ranked[:5], *[(-1, -1)] * (5 - len(ranked))]
        assert result["topk_cycles"] == [cost for cost, _ in best]
        assert result["topk_design_id"] == [design_id for _, design_id in best]
        assert result["design_id"] == best[0][1]
        assert result["runner_up_cycles"] == best[1][0]
        assert result["num_ties"] == sum(cost == best[0][0] for cost, _ in ranked)
        costs = {design_id: cost for cost, design_id in ranked}
        assert result["design_cycles"] == [costs.get(design_id, -1) for design_id in range(459)]


def test_ranks_that_float64_does_not_hold_are_searched_in_int64(tmp_path):
    rows = [(64, 2**20, 2**19, 2**17), (64, 3, 4, 5)]
    results = label_file(ArrayDataflowTask(topk=3, runner_up=True), rows, tmp_path)
    for row, result in zip(rows, results, strict=True):
        best = sorted_costs(*row)[:3]
        assert result["topk_cycles"] == [cost for cost, _ in best]
        assert result["topk_design_id"] == [design_id for _, design_id in best]
        assert result["runner_up_cycles"] == best[1][0]


def test_costs_that_float64_does_not_hold_are_computed_in_int64(tmp_path):
    # The last has costs on either side of 2**53 and of 2**63.
    rows = [(64, 3, 4, 5), (64, 2**20 + 1, 2**19, 2**17), (2**18, 2**22, 2**22 - 1, 2**22 - 3)]
    results = label_file(ArrayDataflowTask(report=Report.COSTS), rows, tmp_path)
    beyond = 0
    for row, result in zip(rows, results, strict=True):
        costs = {design_id: cost for cost, design_id in sorted_costs(*row) if cost < 2**63}
        assert result["design_cycles"] == [costs.get(design_id, -1) for design_id in range(459)]
        beyond += len(sorted_costs(*row)) - len(costs)
    assert beyond


def test_costs_beyond_int64_are_left_out_not_wrapped():
    columns = [np.array([value], np.int64) for value in (64, 2**31 - 1, 2**31 - 1, 2**31 - 1)]
    with jax.enable_x64(True):
        settings = {
            "space": ArrayDataflowSpace(),
            "platform": Platform(),
        }
        assert (np.asarray(ranking.cost_matrix(columns, **settings)) == ranking.NEVER).all()


def test_case_study_2_from_a_file(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "sram_budget_bytes,m,n,k,rows,cols,dataflow,bandwidth_bytes_per_cycle\n"
        "307200,40,50,60,16,16,WS,8\n"
        "307200,40,50,60,16,16,junk,8\n"
        "4294967296,40,50,60,16,16,0,8\n"
    )
    case = BufferCase(objective=Objective.ENERGY)
    task = CaseTask(case=case)
    run(files(path, columns=task.inputs), tmp_path, task)
    first, second = read(tmp_path).to_pylist()
    assert (first["dataflow"], second["dataflow"]) == (1, 0)
    assert second["sram_budget_bytes"] == 2**32  # beyond int32
    close(tmp_path)
    rejects = (tmp_path / "rejects.csv").read_text().splitlines()
    assert rejects[1:] == [f"{path},2,dataflow,junk,a whole number in 0..2"]
    expected = case.label_in_python(307200, 40, 50, 60, 16, 16, 1, 8)
    assert (first["design_id"], first["energy"]) == expected
