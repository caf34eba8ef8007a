"""The tables of a validation, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airchitect_jax.reporting import document, escape, facts, figure, table, tiles
from airchitect_jax.reporting.titled_tables import Table
from airchitect_jax.studies.scalesim_validation.summary import GROUPS

_CAPTION = (
    "Above: total cycles of IDEAL over those of the package, one point per workload and sizing, and"
    " their ratio over the size of the buffers. Below: how alike both rank the sizings of a"
    " workload, and cycles of the package over its fewest if buffers are sized by a rule."
)
_TIMED = ("package", "replay_alone", "replay", "ideal")
_ERRORS = ("evaluations", "median", "p90", "median bias")
_CORRELATIONS = {
    "median": "median",
    "p10": "p10",
    "median_where_ideal_varies": "median *",
    "p10_where_ideal_varies": "p10 *",
}


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """The tables of a summary (`scalesim_validation.validate`)."""
    layer = summary["speed"][0]
    itself = summary["ideal_error_against_the_package_itself"]
    return [
        Table(
            title="Replay against package: runs in which all is equal",
            header=("dataflow", "runs", "stalled", *GROUPS),
            rows=[
                (name, f"{row['runs']}", f"{row['with_stalls']}", *(f"{row[g]}" for g in GROUPS))
                for name, row in summary["agreement"].items()
            ],
        ),
        Table(
            title="IDEAL against package: relative error of total cycles, 8 to 1024 KB each",
            header=("dataflow, sizings", *_ERRORS),
            rows=([_error_row("the package itself", itself)] if itself["evaluations"] else [])
            + [
                _error_row(f"{name}, {kind.replace('_', ' ')}", row)
                for name, kinds in summary["ideal_error"].items()
                for kind, row in kinds.items()
            ],
        ),
        Table(
            title="The same where the package waits, by its reads from DRAM over those of IDEAL",
            header=("reads, package / IDEAL", *_ERRORS),
            rows=[_error_row(*item) for item in summary["ideal_error_by_reads"].items()],
        ),
        Table(
            title="IDEAL against package: rank correlation over sizings (*: IDEAL not flat)",
            header=("dataflow", "num", "package flat", "IDEAL flat", *_CORRELATIONS.values()),
            rows=[
                (
                    name,
                    *(f"{row[key]}" for key in ("workloads", "package_constant", "ideal_constant")),
                    *("" if row[key] is None else f"{row[key]:.2f}" for key in _CORRELATIONS),
                )
                for name, row in summary["rank_correlation"].items()
            ],
        ),
        Table(
            title="Buffers sized by rule: the package's cycles over its fewest",
            header=("rule", "choices", "geomean", "median", "p90", "max", "best"),
            rows=[
                (
                    rule,
                    f"{row['choices']}",
                    *(f"{row[key]:.3g}" for key in ("geomean", "median", "p90", "max")),
                    _percent(row["best_share"]),
                )
                for rule, row in summary["regret"].items()
            ],
        ),
        Table(
            title=(
                f"Seconds per evaluation, {layer['layer']}, replay in batches of"
                f" {layer['replay_batch']}, IDEAL of {layer['ideal_batch']}"
            ),
            header=(
                "dataflow, mode",
                "package",
                "one replay",
                "replay",
                "IDEAL",
                "x replay",
                "x IDEAL",
            ),
            rows=[
                (
                    f"{row['dataflow']}, {row['mode']}",
                    *(f"{row[f'{side}_seconds']:.2g}" for side in _TIMED),
                    *(f"{row[f'times_{side}']:,.3g}" for side in ("replay", "ideal")),
                )
                for row in summary["speed"]
            ],
        ),
    ]


def page(summary: Mapping[str, Any], shown: Sequence[Table], svg: str) -> str:
    """The report as HTML: the tables and the figure of a summary."""
    package = summary["package"]
    question = [
        ("question", f"does the replay agree with {package}, and how far is IDEAL from it?"),
        ("runs of the package", f"{summary['runs_of_the_package']:,}"),
        ("sizings of each workload", f"{summary['sizings']:,}"),
        ("IDEAL", "a port of the same bandwidth for each operand, elements of one byte"),
    ]
    values = [
        ("runs in which the replay differs", f"{summary['runs_that_differ']:,}"),
        ("seconds of the package for all runs", f"{summary['package_seconds']:,.0f}"),
    ]
    sections = "".join(
        f"<h2>{escape(one.title)}</h2>{table(one.header, one.rows, one.title)}" for one in shown
    )
    return document(
        f"Validation against {package}",
        f"""{facts("Question", question)}
{tiles("Agreement", values)}
{sections}
<h2>Figure</h2>
{figure(svg, _CAPTION)}""",
    )


def _error_row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{row['evaluations']}",
        _percent(row["median_error"]),
        _percent(row["p90_error"]),
        _percent(row["median_bias"], sign=True),
    )


def _percent(fraction: float, *, sign: bool = False) -> str:
    return f"{fraction:+.1%}" if sign else f"{fraction:.1%}"
