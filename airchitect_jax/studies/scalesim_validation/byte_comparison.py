"""Runs of the scalesim package on random files against ours, byte for byte."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import itertools
import json
import pathlib
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from airchitect_jax.reporting.titled_tables import Table
from airchitect_jax.scalesim import ScalesimResult, read_plan, simulate
from airchitect_jax.scalesim.package_process import (
    TOO_LONG,
    Package,
    PackageOutput,
    RunInputs,
    read_files,
)
from airchitect_jax.studies.scalesim_validation.random_files import random_files

_SHOWN = 200  # characters of a line that differs
_PACKAGE_LOG = "package.jsonl"


class Ours(Protocol):
    """What is compared with the package: writes the files of a run into a folder."""

    def __call__(self, inputs: RunInputs, folder: pathlib.Path) -> None:
        """One run; a ValueError if it is refused."""
        ...


class Status(enum.StrEnum):
    """How a run ended."""

    EQUAL = "equal"
    BOTH_REFUSE = "crashed in both"
    TOO_LONG = "too long"  # for the package
    DIFFERENT = "different"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of both.

    Attributes:
      kind, seed: of `random_files`.
      status: how it ended.
      difference: the first, in one line; empty if there is none.
      package_seconds: that the package took.
    """

    kind: str
    seed: int
    status: Status
    difference: str
    package_seconds: float


def compare_files(
    plan: Iterable[tuple[str, int]], folder: pathlib.Path, package: Package, ours: Ours
) -> Iterator[Outcome]:
    """Runs both on the files of each kind and seed.

    What the package wrote is remembered in `package.jsonl`, by checksum: it runs again on the same
    files only if they lead to a difference. Files of a run that differs stay in the folder: inputs,
    and the results of both below `package` and `ours`.

    Args:
      plan: kinds and seeds.
      folder: for inputs and results.
      package: a process that runs the package.
      ours: what is compared with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = _read_log(folder / _PACKAGE_LOG)
    with (folder / _PACKAGE_LOG).open("a") as log:
        for kind, seed in plan:
            run = folder / f"{kind.replace(' ', '_')}_{seed}"
            shutil.rmtree(run, ignore_errors=True)
            inputs = random_files(kind, seed).write(run)
            key = _key(inputs, package)
            if key not in known:
                known[key] = _record(package.run(inputs))
                # The line break comes first: an earlier line may be incomplete.
                print(file=log)
                print(json.dumps({"key": key, **known[key]}), file=log, end="", flush=True)
            record = known[key]
            status, difference = _compare(record, inputs, package, ours)
            if status is not Status.DIFFERENT:
                shutil.rmtree(run)
            yield Outcome(
                kind=kind,
                seed=seed,
                status=status,
                difference=difference,
                package_seconds=record["seconds"],
            )


def first_difference(package: Mapping[str, bytes], ours: Mapping[str, bytes]) -> str:
    """File, line and both texts of the first difference; empty if all files are equal."""
    for name in sorted(package.keys() | ours.keys()):
        if name not in ours:
            return f"{name}: only the package writes this file"
        if name not in package:
            return f"{name}: the package does not write this file"
        if package[name] != ours[name]:
            lines = itertools.zip_longest(
                package[name].split(b"\n"), ours[name].split(b"\n"), fillvalue=b"(no line)"
            )
            for number, (theirs, mine) in enumerate(lines, 1):
                if theirs != mine:
                    return f"{name}: line {number}: {_shown(mine)}, package {_shown(theirs)}"
    return ""


def file_table(outcomes: Iterable[Outcome]) -> Table:
    """One row per kind: how many runs ended how."""
    kinds: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        row = kinds.setdefault(outcome.kind, {"runs": 0, **dict.fromkeys(Status, 0)})
        row["runs"] += 1
        row[outcome.status] += 1
    return Table(
        title="All files of a run against the package's, byte for byte",
        header=("kind", "runs", *Status),
        rows=[(kind, *map(str, row.values())) for kind, row in kinds.items()],
    )


def file_summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """For summary.json: how many runs of each kind ended how, and the differences."""
    outcomes = list(outcomes)
    return {
        "runs": {
            row[0]: dict(zip(("runs", *Status), map(int, row[1:]), strict=True))
            for row in file_table(outcomes).rows
        },
        "differences": [
            {"kind": outcome.kind, "seed": outcome.seed, "difference": outcome.difference}
            for outcome in outcomes
            if outcome.difference
        ],
        "package_seconds": round(sum(outcome.package_seconds for outcome in outcomes), 3),
    }


def _compare(
    record: Mapping[str, Any], inputs: RunInputs, package: Package, ours: Ours
) -> tuple[Status, str]:
    if record["error"] == TOO_LONG:
        return Status.TOO_LONG, ""
    folder, refusal = inputs.folder / "ours", None
    try:
        ours(inputs, folder)
    except ValueError as error:
        refusal = str(error)
    if refusal is not None and record["error"] is not None:
        return Status.BOTH_REFUSE, ""
    if refusal is not None:
        return Status.DIFFERENT, f"ours refuses: {refusal}"
    if record["error"] is not None:
        return Status.DIFFERENT, f"the package crashes: {record['error']}"
    files = read_files(folder)
    if _digests(files) == record["files"]:
        return Status.EQUAL, ""
    if not (inputs.folder / "package").exists():
        package.run(inputs)
    return Status.DIFFERENT, first_difference(read_files(inputs.folder / "package"), files)


def _key(inputs: RunInputs, package: Package) -> str:
    """Of all that the package's results depend on."""
    told = (package.versions, inputs.gemm, inputs.traces, _digests(read_files(inputs.folder)))
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _record(output: PackageOutput) -> dict[str, Any]:
    return {
        "files": _digests(output.files),
        "error": output.error,
        "seconds": round(output.seconds, 4),
    }


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _read_log(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """What earlier runs wrote; the last line may be incomplete."""
    known = {}
    if path.exists():
        for line in path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                known[record.pop("key")] = record
    return known


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def our_files(inputs: RunInputs, folder: pathlib.Path) -> None:
    """Ours: reports, and traces if they are asked for, in a folder of the run's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what the package ignores
        plan = read_plan(
            inputs.config,
            inputs.topology,
            inputs.layout,
            input_type="gemm" if inputs.gemm else "conv",
        )
    output = folder / plan.settings.run_name
    output.mkdir(parents=True)
    reports = simulate(
        plan,
        trace_folder=output if inputs.traces else None,
        latency_folder=inputs.folder / "results",
    )
    ScalesimResult(settings=plan.settings, layers=tuple(reports)).write(output)
