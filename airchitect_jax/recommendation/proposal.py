"""What trained networks propose for a workload, beside the exact answer, with certified regret."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, Context, out_of_range
from airchitect_jax.learning import Trained
from airchitect_jax.oracle.joint import best_design
from airchitect_jax.recommendation.exact import Proposal, Recommendation
from airchitect_jax.types import Gemm


def propose(recommendation: Recommendation, trained: list[Trained]) -> Proposal:
    """Asks the networks for a design for every layer and certifies the best one.

    A network of case study 1 proposes an array for each layer, at the largest power of two within
    the MAC budget; one of case study 2 a sizing for each layer, on the recommended array with the
    recommended dataflow. Every proposed array with every proposed sizing is a candidate; without a
    network for one of the two, that part is searched exactly. The proposal is the best candidate by
    the exact model: the networks make the candidates few.

    Raises:
      ValueError: a network does not apply to this workload; says why.
    """
    space = recommendation.survey.space
    shapes: set[int] = set()
    sizings: set[int] = set()
    skipped = 0
    for one in trained:
        if isinstance(one.case, ArrayDataflowCase):
            found, left_out = _arrays(recommendation, one, one.case)
            shapes |= found
        elif isinstance(one.case, BufferCase):
            found, left_out = _sizings(recommendation, one, one.case)
            sizings |= found
        else:
            raise ValueError(
                f"{one.workdir}: a network of {one.case.name} proposes neither arrays nor sizings"
            )
        skipped += left_out
        if not found:
            raise ValueError(
                f"{one.workdir}: no layer is within the ranges that the network was trained on"
            )
    shapes = shapes or set(range(len(space.rows)))
    sizings = sizings or set(range(len(space.sizings)))
    candidates = np.add.outer(
        np.array(sorted(shapes)) * len(space.sizings), np.array(sorted(sizings))
    ).ravel()
    best = best_design(recommendation.survey, recommendation.objective, candidates)
    return Proposal(
        trained=tuple(str(one.workdir) for one in trained),
        design=best.design,
        num_candidates=len(candidates),
        num_out_of_range=skipped,
        cost=best.cost,
        regret=best.cost / recommendation.cost - 1,
    )


def _arrays(
    recommendation: Recommendation, trained: Trained, case: ArrayDataflowCase
) -> tuple[set[int], int]:
    """Indices in the joint space of the proposed arrays, and the number of layers left out."""
    space = recommendation.survey.space
    exponent = min(int(space.num_macs.max()).bit_length() - 1, case.max_mac_exponent)
    context = Context(name="budget", values=(exponent,))
    workloads = case.from_gemms(_gemms(recommendation), context)
    inside = ~out_of_range(case, workloads)
    designs = case.space.decode(_answers(trained, workloads[:, inside]))
    index_of = {
        sides: index for index, sides in enumerate(zip(space.rows, space.cols, strict=True))
    }
    arrays = zip(designs.rows, designs.cols, strict=True)
    return {index_of[sides] for sides in arrays}, int((~inside).sum())


def _sizings(
    recommendation: Recommendation, trained: Trained, case: BufferCase
) -> tuple[set[int], int]:
    """Indices in the joint space of the proposed sizings, and the number of layers left out."""
    space, design = recommendation.survey.space, recommendation.design
    if space.buffers != case.space:
        raise ValueError(f"{trained.workdir}: the network was trained on other buffer sizes")
    budget = min(int(space.sram_bytes.max()) // 1024, case.max_budget_kb) // case.space.step_kb
    features = [feature.name for feature in case.features]
    gemms = _gemms(recommendation)
    columns = {
        "budget_steps": budget,
        "m": gemms.m,
        "n": gemms.n,
        "k": gemms.k,
        "row_exponent": design.rows.bit_length() - 1,
        "col_exponent": design.cols.bit_length() - 1,
        "dataflow": np.array([plan.dataflow for plan in recommendation.layers]),
        "bandwidth_bytes_per_cycle": recommendation.survey.platform.bandwidth_bytes_per_cycle,
    }
    workloads = np.stack(
        [np.broadcast_to(columns[name], gemms.m.shape) for name in features]
    ).astype(np.int64)
    inside = ~out_of_range(case, workloads)
    ids = _answers(trained, workloads[:, inside])
    return set(np.searchsorted(space.sizings, ids).tolist()), int((~inside).sum())


def _answers(
    trained: Trained, workloads: Int[np.ndarray, "features batch"]
) -> Int[np.ndarray, "batch"]:
    """The design ids that the network ranks first; none for no workloads."""
    if not workloads.size:
        return np.empty(0, np.int64)
    return trained.recommender.rank(workloads)[0][:, 0].astype(np.int64)


def _gemms(recommendation: Recommendation) -> Gemm:
    dims = np.array(
        [(plan.layer.m, plan.layer.n, plan.layer.k) for plan in recommendation.layers], np.int64
    ).T
    return Gemm(m=dims[0], n=dims[1], k=dims[2])
