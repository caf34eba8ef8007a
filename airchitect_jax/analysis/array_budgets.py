"""Case study 1 by design: when the budget is not used up, and what more of it buys."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.ticker import MaxNLocator

from airchitect_jax.analysis.array_shapes import mapped
from airchitect_jax.analysis.exhibit import (
    SMALL,
    Exhibit,
    Grid,
    extra,
    geomean,
    looks,
    panels,
    percent,
)
from airchitect_jax.analysis.samples import Sample, dims
from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.plots import BLACK, GREEN, PURPLE, RED, SKY, styled
from airchitect_jax.workloads.network import Network

_MOST_RETURNS = 20_000  # workloads whose optimum is found for every budget


@styled
def unused(case: ArrayDataflowCase, samples: Sequence[Sample]) -> Exhibit:
    """When the optimum uses less than the whole budget."""
    space = case.space
    figure, axes = panels(1, len(samples) + 1, width=12, height=4)
    rows: list[list[Any]] = [["distribution", "mac_budget", "workloads", "unused_share"]]
    exponents = np.arange(case.min_mac_exponent, case.max_mac_exponent + 1)
    top = 3 * np.log2(case.max_dim)
    grid = Grid(x=np.arange(0, np.ceil(top) + 1), y=np.append(exponents, exponents[-1] + 1) - 0.5)
    sentences, summary = [], {}
    image: Any = None
    for place, sample, style in zip(axes[0, 1:], samples, looks(samples), strict=True):
        budget = sample.workloads[0]
        size = np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0)
        idle = space.mac_exponent[sample.design_ids] < budget
        image = grid.draw(place, grid.mean(size, budget, idle), cmap="viridis", vmin=0, vmax=1)
        place.set_title(sample.name, fontsize=SMALL)
        place.set_xlabel("log2(m n k)")
        place.set_ylabel("log2(MAC budget)")
        shares = [float(idle[budget == exponent].mean()) for exponent in exponents]
        axes[0, 0].plot(exponents, shares, label=sample.name, markersize=4, **style)
        rows += [
            [sample.name, int(2**exponent), int((budget == exponent).sum()), share]
            for exponent, share in zip(exponents, shares, strict=True)
        ]
        design = space.decode(sample.design_ids)
        s_r, s_c, _ = mapped(sample.workloads, space.dataflow[sample.design_ids])
        one_fold = ((design.rows >= s_r) & (design.cols >= s_c))[idle]
        one_way = ((design.rows >= s_r) | (design.cols >= s_c))[idle]
        sentences.append(
            f"{sample.name}: {percent(idle.mean())} of the best designs leave half of the"
            f" budget or more unused, {percent(shares[0])} of those for {2 ** exponents[0]:,} MACs"
            f" and {percent(shares[-1])} for {2 ** exponents[-1]:,}."
            + (
                " Where they do, the array holds the whole mapped operand in one fold in"
                f" {percent(one_fold.mean())}, and one of its two sides in"
                f" {percent(one_way.mean())}: "
                + (
                    "a larger one would only take longer to cross."
                    if one_fold.mean() > 0.9
                    else "not all of it is idle for want of work."
                )
                if idle.any()
                else ""
            )
        )
        summary[sample.name] = {
            "unused_share": float(idle.mean()),
            "unused_share_by_budget": {
                str(2**exponent): share
                for exponent, share in zip(exponents.tolist(), shares, strict=True)
            },
        }
    figure.colorbar(image, ax=list(axes[0, 1:]), label="share that leaves budget unused")
    axes[0, 0].set_xlabel("log2(MAC budget)")
    axes[0, 0].set_ylabel("share that leaves budget unused")
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].legend()
    return Exhibit(
        name="unused_budget",
        title="When the best design uses less than the whole budget",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def best_by_budget(
    case: ArrayDataflowCase, gemms: Int[np.ndarray, "3 num"]
) -> Int[np.ndarray, "budgets num"]:
    """Cycles of the best design for each GEMM under each budget."""
    exponents = np.arange(case.min_mac_exponent, case.max_mac_exponent + 1)
    budgets = np.repeat(exponents, gemms.shape[1])
    labels = case.exact(np.stack([budgets, *np.tile(gemms, len(exponents))]))
    return np.asarray(labels.cost).reshape(len(exponents), -1)


@styled
def returns(
    case: ArrayDataflowCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Exhibit:
    """Best cycles against the budget: what each doubling still buys."""
    exponents = np.arange(case.min_mac_exponent, case.max_mac_exponent + 1)
    macs = 2.0**exponents
    figure, ((left, right),) = panels(1, 2, width=11, height=4.4)
    rows: list[list[Any]] = [["source", "mac_budget", "speedup", "speedup_p10", "speedup_p90"]]
    gains: dict[str, Float[np.ndarray, "budgets"]] = {}
    sentences, summary = [], {}
    for sample, style in zip(samples, looks(samples), strict=True):
        part = sample.first(_MOST_RETURNS)
        cycles = best_by_budget(case, dims(case, part.workloads))
        speedups = cycles[0] / cycles
        mean = np.array([geomean(row) for row in speedups])
        low, high = np.quantile(speedups, (0.1, 0.9), axis=1)
        left.fill_between(macs, low, high, color=style["color"], alpha=0.15, linewidth=0)
        left.plot(macs, mean, label=f"{sample.name} (geometric mean)", markersize=4, **style)
        gains[sample.name] = mean[1:] / mean[:-1]
        right.plot(macs[1:], gains[sample.name], label=sample.name, markersize=4, **style)
        rows += [
            [sample.name, int(macs[i]), float(mean[i]), float(low[i]), float(high[i])]
            for i in range(len(macs))
        ]
        weak = [int(macs[i + 1]) for i, gain in enumerate(gains[sample.name]) if gain < 1.5]
        sentences.append(
            f"{sample.name}, {len(part):,} workloads: {macs[-1] / macs[0]:,.0f} times the MACs make"
            f" the best design {mean[-1]:,.0f} times as fast in the geometric mean; the first"
            f" doubling buys {extra(gains[sample.name][0] - 1)}, the last"
            f" {extra(gains[sample.name][-1] - 1)}"
            + (
                f", and doublings to {weak[0]:,} MACs and beyond less than 50%."
                if weak
                else ", and none less than 50%."
            )
        )
        summary[sample.name] = {
            "speedup": float(mean[-1]),
            "last_doubling": float(gains[sample.name][-1]),
        }
    thin = itertools.product(("-", ":"), (RED, GREEN, PURPLE, SKY))
    for network, (dashes, color) in zip(networks, thin, strict=False):
        gemms = network.gemms
        cycles = best_by_budget(case, np.stack([gemms.m, gemms.n, gemms.k]))
        total = cycles.astype(np.float64) @ np.array([layer.count for layer in network.layers])
        gain = total[:-1] / total[1:]
        right.plot(macs[1:], gain, color=color, linestyle=dashes, linewidth=1.2, label=network.name)
        rows += [
            [network.name, int(mac), float(total[0] / one), None, None]
            for mac, one in zip(macs, total, strict=True)
        ]
        gains[network.name] = gain
    if networks:
        names = [network.name for network in networks]
        last = [float(gains[name][-1]) for name in names]
        sentences.append(
            f"Of the real networks the last doubling buys {names[int(np.argmax(last))]} most"
            f" ({extra(max(last) - 1)}) and {names[int(np.argmin(last))]} least"
            f" ({extra(min(last) - 1)})."
        )
    left.plot(macs, macs / macs[0], color=BLACK, linestyle=":", linewidth=1, label="in proportion")
    right.axhline(2, color=BLACK, linestyle=":", linewidth=1)
    right.set_ylim(0.95, 2.05)
    left.set_yscale("log", base=2)
    left.set_ylabel(f"speedup over {macs[0]:.0f} MACs (band: 10th to 90th pct.)")
    right.set_ylabel("speedup by the last doubling (thin: networks)")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("MAC budget")
        axes.legend(fontsize=7)
    return Exhibit(
        name="returns",
        title="Best cycles against the budget",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
