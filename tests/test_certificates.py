"""Certificates of best machines: they hold, and nothing else is accepted."""

import copy
import dataclasses
import math

import pytest
import scripts
from certified import KB, content_of, solved

from airchitect_jax.cost import read_platform
from airchitect_jax.oracle.machines import (
    Budgets,
    MachineObjective,
    Question,
    best_machine,
    write_certificate,
)
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.verification import parse_certificate, verify
from airchitect_jax.workloads import GemmCounts, open_network

BUDGETS = {
    "none": Budgets(),
    "area": Budgets(area_budget_um2=900_000, mac_budget=200),
    "power": Budgets(power_budget_w=0.05),
    "power and latency": Budgets(power_budget_w=0.1, latency_budget_s=1.0),
    "too little": Budgets(latency_budget_s=1e-8),
}


@pytest.mark.parametrize("budgets", BUDGETS)
@pytest.mark.parametrize("objective", MachineObjective)
def test_certificates_hold(objective, budgets):
    asked, optimum = solved(objective, BUDGETS[budgets])
    found = verify(parse_certificate(content_of(asked, optimum)))
    assert found.cost == optimum.cost
    assert found.lower_bound == optimum.lower_bound
    assert found.num_boxes == len(optimum.boxes)


def of_line(content):
    """The first line with a finite least."""
    return next(line for line in content["lines"] if line[4])


def mapping_of(content):
    return content["incumbent"]["mappings"][1]


def bounded(content):
    """The number of the box with the least bound."""
    bounds = [math.inf if box[2] is None else box[2] for box in content["boxes"]]
    return bounds.index(min(bounds))


TAMPERED = {
    "a removed box": (lambda c: c["boxes"].pop(bounded(c)), "boxes: no box holds the machine"),
    "a smaller box": (lambda c: c["boxes"][0][1].__setitem__(0, -1), "boxes: box 0"),
    "a raised bound": (
        lambda c: c["boxes"][bounded(c)].__setitem__(2, 1.01 * c["boxes"][bounded(c)][2]),
        "does not follow from its lines",
    ),
    "a lower bound of a box": (
        lambda c: c["boxes"][bounded(c)].__setitem__(2, c["lower_bound"] / 2),
        "is below the lower bound",
    ),
    "an infinite bound": (
        lambda c: c["boxes"][bounded(c)].__setitem__(2, None),
        "does not follow from its lines",
    ),
    "no lines": (
        lambda c: next(b for b in c["boxes"] if b[0] != b[1] and b[3]).__setitem__(3, []),
        "does not follow from its lines",
    ),
    "a raised lower bound": (
        lambda c: c.update(lower_bound=1.01 * c["lower_bound"]),
        "is below the lower bound",
    ),
    "a lowered cost": (
        lambda c: c["incumbent"].update(cost=c["incumbent"]["cost"] - 1000),
        "incumbent: cost",
    ),
    "fewer cycles": (
        lambda c: c["incumbent"].update(cycles=c["incumbent"]["cycles"] - 1),
        "incumbent: cycles",
    ),
    "less energy": (
        lambda c: c["incumbent"].update(energy_fj=c["incumbent"]["energy_fj"] - 1),
        "incumbent: energy_fj",
    ),
    "another mapping": (
        lambda c: mapping_of(c).update(tile_k=1),
        "incumbent",
    ),
    "a tile that does not fit": (lambda c: mapping_of(c).update(tile_n=10**6), "mapping 1.*fit"),
    "too many cores": (lambda c: mapping_of(c).update(cores_n=3), "mapping 1.*cores"),
    "another machine": (
        lambda c: c["incumbent"]["machine"].update(rows=5),
        "incumbent: rows: 5 is not in the space",
    ),
    "a changed budget": (
        lambda c: c["question"]["budgets"].update(mac_budget=1),
        "incumbent: the machine exceeds a budget",
    ),
    "a longer space": (
        lambda c: c["question"]["platform"]["axes"]["rows"].append(17),
        "boxes: no box holds the machine rows = 17",
    ),
    "a wrong weight": (
        lambda c: of_line(c).__setitem__(3, of_line(c)[3] / 2 + 1e-9),
        "does not follow|could have",
    ),
    "a raised line": (
        lambda c: [line.__setitem__(4, line[4] * 1.001) for line in c["lines"]],
        "lines: line .* some schedule could have",
    ),
    "a larger box of a line": (
        lambda c: [line.__setitem__(1, c["boxes"][0][0]) for line in c["lines"]],
        "lines: line|is not inside the box of line",
    ),
    "fewer runs": (lambda c: c["question"]["gemms"][0].__setitem__(3, 3), "incumbent"),
    "another price": (
        lambda c: c["question"]["platform"]["technology"].update(mac_pj=0.01),
        "incumbent",
    ),
    "another gap": (lambda c: c.update(gap=0.5), "gap: 0.5"),
    "another format": (lambda c: c.update(format="proof"), "format: 'proof'"),
    "another version": (lambda c: c.update(version=2), "version: 2"),
    "cost terms": (
        lambda c: c["question"]["platform"].update(terms=["idle"]),
        "cost terms are not supported",
    ),
    "a line that is not there": (lambda c: c["boxes"][0][3].append(10**6), "lines: 1000000"),
    "a missing part": (lambda c: c.pop("question"), "malformed: KeyError: 'question'"),
    "text for a number": (lambda c: c.update(lower_bound="much"), "could not convert"),
    "not a number": (lambda c: of_line(c).__setitem__(4, math.nan), "nan is not allowed"),
}


@pytest.mark.parametrize("change", TAMPERED)
def test_what_is_changed_is_refused(change):
    content = copy.deepcopy(content_of(*solved(MachineObjective.EDP)))
    tamper, message = TAMPERED[change]
    tamper(content)
    with pytest.raises(ValueError, match=message) as refused:
        verify(parse_certificate(content))
    assert "\n" not in str(refused.value)


ALONE = {
    "latency": (MachineObjective.ENERGY, Budgets(latency_budget_s=9.3e-5)),
    "power": (MachineObjective.THROUGHPUT_PER_AREA, Budgets(power_budget_w=0.5)),
}


@pytest.mark.parametrize("budgets", [pytest.param("latency", marks=pytest.mark.slow), "power"])
def test_machines_whose_schedules_are_all_tried(budgets):
    content = content_of(*solved(*ALONE[budgets]))
    verify(parse_certificate(content))
    alone = [box for box in content["boxes"] if box[0] == box[1] and box[2] and not box[3]]
    box = min(alone, key=lambda one: one[2])
    for bound in (1.01 * box[2], None):
        box[2] = bound
        with pytest.raises(ValueError, match="does not hold; some schedule has") as refused:
            verify(parse_certificate(content))
        assert "\n" not in str(refused.value)


def test_the_script(tmp_path):
    path = tmp_path / "certificate.json"
    question, optimum = solved(MachineObjective.EDP)
    write_certificate(path, question, optimum)
    done = scripts.run("experiments.check_certificate", str(path))
    assert done.returncode == 0, done.stderr
    asked, verified, size = done.stdout.splitlines()
    assert asked == "little: 432 machines; 3 GEMMs, 1 operators; objective edp"
    assert verified.startswith("verified: no machine of the space costs less than")
    assert f"{len(optimum.boxes)} boxes" in size
    path.write_text(path.read_text()[:-100])
    done = scripts.run("experiments.check_certificate", str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"refused: {path}: not valid JSON")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_resnet50():
    network = open_network("resnet50", None)
    platform = dataclasses.replace(
        read_platform("gemmini"),
        hardware=HardwareSpace(
            rows=(8, 16, 32, 64, 128),
            cols=(8, 16, 32, 64, 128),
            ifmap_sram_bytes=[KB << i for i in range(4, 11)],
            filter_sram_bytes=[KB << i for i in range(4, 11)],
            ofmap_sram_bytes=[KB << i for i in range(4, 11)],
            bandwidth_bytes_per_second=(8 * 10**9, 16 * 10**9),
        ),
    )
    asked = Question(
        platform=platform,
        gemms=GemmCounts.of_layers(network.layers),
        operators=tuple((one, one.count) for one in network.operators),
        objective=MachineObjective.EDP,
        budgets=Budgets(area_budget_um2=4_000_000),
    )
    optimum = best_machine(asked)
    found = verify(parse_certificate(content_of(asked, optimum)))
    assert found.cost == optimum.cost
    assert found.num_lines > 100
