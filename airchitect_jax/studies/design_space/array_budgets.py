"""Case study 1 by design: when the budget is not used up, and what more of it buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.reporting.style import BLACK, legend_below, plain, styled
from airchitect_jax.studies.design_space.array_shapes import mapped
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    Grid,
    extra,
    geomean,
    looks,
    panels,
    percent,
)
from airchitect_jax.studies.design_space.samples import Sample, dims
from airchitect_jax.workloads import Network

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
    legend_below(figure, axes[0, :1], columns=2)
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
    """Best cycles against the budget: what each doubling still buys, also for real networks."""
    exponents = np.arange(case.min_mac_exponent, case.max_mac_exponent + 1)
    macs = 2.0**exponents
    num = len(samples) + len(networks)
    figure, ((left, right),) = panels(1, 2, width=12, height=max(4.4, 1.6 + 0.19 * num))
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
    for network in networks:
        gemms = network.gemms
        cycles = best_by_budget(case, np.stack([gemms.m, gemms.n, gemms.k]))
        total = cycles.astype(np.float64) @ np.array([layer.count for layer in network.layers])
        rows += [
            [network.name, int(mac), float(total[0] / one), None, None]
            for mac, one in zip(macs, total, strict=True)
        ]
        gains[network.name] = total[:-1] / total[1:]
    if networks:
        names = [network.name for network in networks]
        last = [float(gains[name][-1]) for name in names]
        sentences.append(
            f"Of the real networks the last doubling buys {names[int(np.argmax(last))]} most"
            f" ({extra(max(last) - 1)}) and {names[int(np.argmin(last))]} least"
            f" ({extra(min(last) - 1)})."
        )
        sentences.append(
            "The right panel has a row per distribution and network, in the order of what the last"
            " doubling buys; the table has the speedups of all."
        )
    left.plot(macs, macs / macs[0], color=BLACK, linestyle=":", linewidth=1, label="in proportion")
    left.set_xscale("log", base=2)
    left.set_yscale("log", base=2)
    left.set_xlabel("MAC budget")
    left.set_ylabel(f"speedup over {macs[0]:.0f} MACs (band: 10th to 90th pct.)")
    legend_below(figure, (left,), columns=3)
    figure.colorbar(_doublings(right, exponents[1:], gains), ax=right, label="speedup by doubling")
    return Exhibit(
        name="returns",
        title="Best cycles against the budget",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def _doublings(
    axes: Axes, exponents: Int[np.ndarray, "doublings"], gains: Mapping[str, Any]
) -> Any:
    """What the doubling to each budget buys, a row a name; returns what a colour bar needs."""
    names = sorted(gains, key=lambda name: -gains[name][-1])
    image = axes.imshow(
        np.array([gains[name] for name in names]), cmap="viridis", vmin=1, vmax=2, aspect="auto"
    )
    axes.grid(visible=False)
    axes.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=7)
    axes.set_xticks(range(len(exponents)), [str(exponent) for exponent in exponents])
    axes.set_xlabel("log2(MAC budget) after the doubling")
    return image
