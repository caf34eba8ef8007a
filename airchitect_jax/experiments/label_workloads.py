"""Label workload sets of any size: the exact best design of each workload, to Parquet.

Rows come from --sample or from Parquet and CSV files with one column per input of the case study,
for case study 1 m, n, k and mac_budget. Labels go to WORKDIR/labels in shards, rows that cannot be
labelled to WORKDIR/rejects.csv. The same command, run again, continues after the finished shards.

  airchitect label_workloads --sample=1000000 --workdir=runs/labels
  airchitect label_workloads --input=a.parquet --input=b.csv --mac_budget=16384
  airchitect label_workloads --case_study=2 --objective=energy --sample=1000000
"""

from __future__ import annotations

import rich.console
from absl import flags

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.experiments import (
    case_flags,
    file_runs,
    objective_flags,
    runner,
    runtime_flags,
    term_flags,
    workload_flags,
)
from airchitect_jax.labelling import (
    ArrayDataflowTask,
    CaseTask,
    FileSource,
    LabelTask,
    Report,
    SampledSource,
)
from airchitect_jax.types import Objective, RuntimeModel

flags.adopt_module_key_flags(runner)
flags.adopt_module_key_flags(file_runs)
flags.adopt_module_key_flags(case_flags)
flags.adopt_module_key_flags(workload_flags)
flags.adopt_module_key_flags(objective_flags)
flags.set_default(runner.WORKDIR, "runs/label_workloads")

SAMPLE = flags.DEFINE_integer(
    "sample", None, "Label this many random workloads.", lower_bound=1, upper_bound=10**12
)
MAC_BUDGET = flags.DEFINE_integer(
    "mac_budget",
    None,
    "MAC budget of the rows of files without a mac_budget column.",
    lower_bound=4,
    upper_bound=2**31 - 1,
)
TOPK = flags.DEFINE_integer(
    "topk", 1, "Also the K best designs with their cycles (slower).", lower_bound=1, upper_bound=100
)
RUNNER_UP = flags.DEFINE_boolean(
    "runner_up",
    False,
    "Also the cycles of the second-best design, and how many designs share the optimum (slower).",
)
REPORT = flags.DEFINE_enum(
    "report",
    Report.LABELS.value,
    [report.value for report in Report],
    "labels, or costs: also the cycles of every design, 4 kilobytes per row, for small sets.",
)
_MAX_COST_ROWS = 1_000_000
_COST_SHARD_ROWS = 1 << 14  # 60 megabytes of costs, several times in flight


def _task(report: Report) -> LabelTask:
    """The labelling task of the flags.

    Raises:
      ValueError: a flag asks for what the case study does not have.
    """
    is_first = case_flags.CASE_STUDY.value == "1"
    counts_cycles = objective_flags.OBJECTIVE.value == Objective.CYCLES.value
    if is_first and counts_cycles and not term_flags.COST_TERMS.value:
        return ArrayDataflowTask(
            runtime_model=RuntimeModel(runtime_flags.RUNTIME_MODEL.value),
            topk=TOPK.value,
            runner_up=RUNNER_UP.value,
            report=report,
        )
    if MAC_BUDGET.value is not None and not is_first:
        raise ValueError(f"--{MAC_BUDGET.name}: only case study 1 has it")
    for flag in (TOPK, RUNNER_UP, REPORT):
        if flags.FLAGS[flag.name].present:
            raise ValueError(
                f"--{flag.name}: only case study 1 has it, for cycles and without --cost_terms"
            )
    budgets = runner.values(workload_flags.MIN_MAC_EXPONENT, workload_flags.MAX_MAC_EXPONENT)
    case = case_flags.make_case(**objective_flags.fields(), **budgets)
    if case.objective.value != objective_flags.OBJECTIVE.value:
        raise ValueError(
            f"--{objective_flags.OBJECTIVE.name}: {objective_flags.OBJECTIVE.value} is not allowed"
            f" with --case_study={case_flags.CASE_STUDY.value}; expected {case.objective.value}"
        )
    return CaseTask(case=case)


def _source(shard_rows: int, task: LabelTask) -> SampledSource | FileSource:
    if (SAMPLE.value is None) == (not file_runs.INPUT.value):
        raise ValueError("--sample or --input: give one of them")
    if SAMPLE.value is not None:
        if isinstance(task, CaseTask):
            case = task.case
        else:
            case = ArrayDataflowCase.from_settings(runner.values(*workload_flags.ALL))
        return SampledSource(
            case=case, num_rows=SAMPLE.value, shard_rows=shard_rows, seed=runner.SEED.value
        )
    constants = {} if MAC_BUDGET.value is None else {"mac_budget": MAC_BUDGET.value}
    return file_runs.file_source(task, constants, shard_rows)


def main(console: rich.console.Console) -> None:
    """Labels the workloads of the flags."""
    file_runs.cache_programs()
    report = Report(REPORT.value)
    shard_rows = file_runs.SHARD_ROWS.value
    if report is Report.COSTS:
        shard_rows = min(shard_rows, _COST_SHARD_ROWS)
    task = _task(report)
    source = _source(shard_rows, task)
    if report is Report.COSTS and (source.num_rows or 0) > _MAX_COST_ROWS:
        raise ValueError(
            f"--report=costs: {source.num_rows} rows are too many; expected {_MAX_COST_ROWS}"
        )
    own = (SAMPLE, MAC_BUDGET, TOPK, RUNNER_UP, REPORT)
    shared = (*case_flags.ALL, *objective_flags.ALL, *workload_flags.ALL)
    settings = runner.values(*own, *shared)
    file_runs.run("label_workloads", "workloads labelled", task, source, settings, console)


if __name__ == "__main__":
    runner.run_main(main, interrupted="the same command goes on from the finished shards")
