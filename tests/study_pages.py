"""Report pages of case studies and of all other studies, each made of a little made-up data."""

import dataclasses

import numpy as np

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.case_studies import plots as case_plots
from airchitect_jax.experiments import comparison_files
from airchitect_jax.learning import plots as learning_plots
from airchitect_jax.learning import report as learning_report
from airchitect_jax.learning.real_networks import LayerResult, NetworkResult
from airchitect_jax.reporting import style
from airchitect_jax.studies.design_space import changes, exhibit, report, samples
from airchitect_jax.studies.generalisation import plots as audit_plots
from airchitect_jax.studies.generalisation import report as audit_report
from airchitect_jax.studies.models import plots as model_plots
from airchitect_jax.studies.models import rows as model_rows
from airchitect_jax.studies.models import table as model_table
from airchitect_jax.studies.search import curves
from airchitect_jax.studies.search import plots as search_plots
from airchitect_jax.studies.search import table as search_table
from airchitect_jax.studies.search.rows import COLUMNS, CURVE_KEYS
from airchitect_jax.studies.simulator import report as simulator_report
from airchitect_jax.studies.whole_networks import page as machines_page
from airchitect_jax.studies.whole_networks.plots import regret_figure
from airchitect_jax.workloads import network_names

FLAGS = {"seed": 0, "workdir": "runs/x", "models": ["paper", "mlp2x256"], "resume": False}
QUANTILES = {"median": 0.0, "p99": 0.02, "max": 0.07, "mean": 0.001}


def case_study():
    """With all packaged networks, and costs of fourteen digits."""
    case, rng = ArrayDataflowCase(), np.random.default_rng(0)
    optimal, chosen = rng.integers(0, 459, (2, 2000))
    chosen = np.where(rng.random(2000) < 0.7, optimal, chosen)
    metrics = {
        "geomean_normalized_performance": 0.998,
        "p01_normalized_performance": 0.93,
        "min_normalized_performance": 0.4,
    }
    results = [[result(name, macs) for macs in (32, 262144)] for name in network_names()]
    flat = [one for group in results for one in group]
    history = [
        {"examples": seen, "loss": 1e6 / seen, "accuracy": 0.5}
        | {"validation_loss": 1e6 / seen, "validation_accuracy": 0.6}
        for seen in (10_000, 1_000_000)
    ]
    sizes = np.repeat([[300, 500, 100]], 6, axis=0)
    drawn = {
        "training": ("Training.", learning_plots.training_curves(history)),
        "designs": ("Designs.", learning_plots.design_histogram(optimal, chosen, 459)),
        "above": (
            "Costs.",
            learning_plots.cost_above_optimum(
                1 / (1 + rng.exponential(0.1, 500)), {"square arrays": np.ones(9)}, metrics
            ),
        ),
        "confusion": (
            "Confusion.",
            learning_plots.confusion(case.space.attributes, optimal, chosen),
        ),
        "networks": ("Networks.", learning_plots.networks(flat)),
        "aspect": (
            "Aspect ratios.",
            case_plots.aspect_ratio_map(
                *rng.normal(size=(3, 2000)), case.space.attributes[0], optimal
            ),
        ),
        "sizes": (
            "Sizes.",
            case_plots.sizes_by_budget(
                np.repeat([900, 1800], 3), sizes, np.tile([0, 1, 2], 2), ["OS", "WS", "IS"]
            ),
        ),
        "gantt": (
            "Schedules.",
            case_plots.gantt(
                ["64x64", "32x32"],
                {
                    "chosen: 210,000,000 cycles": [("0 OS", 0, 0.0, 1e8), ("1 WS", 1, 0.0, 2.1e8)],
                    "optimal: 200,000,000 cycles": [("1 OS", 0, 0.0, 2e8), ("0 IS", 1, 0.0, 1e8)],
                },
            ),
        ),
    }
    summary = {"model": "paper", "told": ["labels"], "num_test": 100_000}
    return learning_report.page(
        "Case study 1",
        question=learning_report.question(case, summary),
        main=[("workloads with an optimal choice", "98.76%")],
        claims=[("test accuracy", "98.76%", "up to 94.3%"), ("parameters", "1,234,567", "")],
        summary=summary,
        config=FLAGS,
        drawn=style.to_svgs(drawn),
        networks=results[:2],
    )


def result(name, macs):
    layer = LayerResult(
        layer="encoder.layer.11.attention.output.dense",
        m=12544,
        n=64,
        k=147,
        count=12,
        in_range=False,
        optimal_design="262144x1 OS",
        optimal_cost=12_345_678_901_234,
        chosen_design="262144x1 OS",
        chosen_cost=12_345_678_901_234,
    )
    return NetworkResult(
        network=name,
        context=f"{macs} MACs",
        layers=(layer, layer),
        optimal_cost=12_345_678_901_234,
        chosen_cost=12_345_678_901_234 + macs,
        single_design="262144x1 OS",
        single_cost=23_456_789_012_345,
    )


class Everything(dict):
    """Has a number for every key: a summary of any exhibit."""

    def __missing__(self, key):
        return 0.25


def design_space():
    """The page around one exhibit; the others have figures of the same parts."""
    case = ArrayDataflowCase()
    some = [
        samples.Sample(
            workloads=np.ones((4, 3), np.int32), design_ids=np.arange(3), case=case, name=name
        )
        for name in ("log-uniform", "uniform")
    ]
    numbers = {sample.name: Everything() for sample in some}
    names = list(changes.variants(case))
    shares = np.linspace(0, 1, len(names) ** 2).reshape(len(names), -1)
    figure = changes._draw_agreement({one.name: (shares, shares) for one in some}, names)
    shown = exhibit.Exhibit(
        name="agreement",
        title="Labels under other models",
        caption="Agreement of labels.",
        figure=figure,
        rows=[["distribution", "mac_exponent", "changed_share"], ["uniform", 5, 0.25]],
        summary=numbers,
    )
    finished = [report.Finished(section="Statistical", exhibit=shown, seconds=0.1)]
    finished += [
        dataclasses.replace(finished[0], exhibit=dataclasses.replace(shown, name=name))
        for name in ("frequency", "near_ties", "boundaries", "neighbours", "overlap")
    ]
    return report.page(some, finished, FLAGS)


def models():
    shares = np.linspace(0.5, 1, len(model_rows.SHARES)).tolist()
    values = {one.key: 0.5 if one.is_share else 123_456 for one in model_rows.COLUMNS}
    rows = [
        {"model": f"model {number}", "seed": 0, "told": "labels", **values}
        | {"curve": [{"examples": 10**number, "accuracy": 0.5}]}
        | {"performance_at_shares": shares}
        for number in range(6)
    ]
    return comparison_files.comparison_page(
        model_table(rows),
        title="Models",
        flags=FLAGS,
        about={"case_study": "case_study1"},
        drawn=model_plots.figures(rows),
    )


def searchers():
    values = {one.key: 0.5 if one.is_share else 123_456.7 for one in COLUMNS}
    rows = [
        {"searcher": f"searcher_{number}", "seed": seed, **values}
        | {
            "curve": [
                {"spent": spent, **dict.fromkeys(CURVE_KEYS, 1 - number / spent)}
                for spent in (8, 100, 1000)
            ]
        }
        for number in range(5)
        for seed in (0, 1)
    ]
    return comparison_files.comparison_page(
        search_table(rows),
        title="Searchers",
        flags=FLAGS,
        about={"case_study": "case_study1"},
        drawn=search_plots.figures(curves(rows)),
        notes=["One of them runs in Python."],
    )


def audit():
    bins = {"expected_calibration_error": 0.1, "confidence": [0.2, 0.9], "accuracy": [0.1, 0.9]}
    population = {"raw": bins, "calibrated": bins, "coverage": [0.1, 1], "risk": [0, 0.2]}
    of_set = {"group": "trained ranges", "name": "0 features beyond", "num": 20_000}
    audits = {
        name: {
            "told": ["labels"],
            "examples": 123_456,
            "beyond_the_ranges": "clamped to the nearest value",
            "temperature": 1.2,
            "sets": [of_set | Everything(dict.fromkeys(audit_report.SHARES, 0.987))],
            "regions": [
                {"feature": feature, "low": low, "high": 4 * low, "optimal_set_accuracy": 0.5}
                for feature in ("m", "n", "k")
                for low in (1, 4, 16)
            ],
            "populations": {"trained ranges": population, "beyond": population},
        }
        for name in ("paper", "mlp2x256")
    }
    limits = {"m": 20, "n": 20, "k": 20}
    drawn = style.to_svgs(audit_plots.figures(audits, limits))
    return audit_report.page(audits, drawn, title="schedules", limits=limits, settings=FLAGS)


def simulator():
    shares = {
        "optimal_set_accuracy": 0.9,
        "geomean_normalized_performance": 0.99,
        "p01_normalized_performance": 0.8,
        "min_normalized_performance": 0.5,
    }
    rows = [
        {"model": name, "workloads": num, "train_seconds": 12.3, **shares}
        | ({"microseconds_per_workload": 4.5} if num else {})
        for name, num in (("a third each", 0), ("network", 1024), ("network", 262_144))
    ]
    summary = rows[-1] | {
        "rows": rows,
        "networks": [{"network": "resnet50", "layers": 53, "in_range": 20, **shares}],
        "environment": {"jax": "0.10"},
    }
    return simulator_report.page(summary, FLAGS)


def machines():
    rows = [
        {"family": "transformers", "network": "mixtral_8x7b_prefill_b1_c2048"}
        | {"mac_exponent": 16, "sram_steps": steps, "optimum": 12_345_678_901_234}
        | {"regret": regret, "reranked_regret": 0.0, "dataflow_regret": 0.0}
        | {"risk": 0.01, "search_instead": False}
        for steps in (12, 30)
        for regret in (0.0, 0.001, 0.2)
    ]
    group = dict.fromkeys(("one_shot", "reranked", "dataflows"), QUANTILES)
    summary = {"default_sram": group, "smaller_sram": group}
    return machines_page(rows, summary, FLAGS, style.to_svg(regret_figure(rows, 30), "regrets"))


# Each a function that makes a page.
PAGES = {
    "case_study": case_study,
    "design_space": design_space,
    "models": models,
    "searchers": searchers,
    "audit": audit,
    "simulator": simulator,
    "machines": machines,
}
