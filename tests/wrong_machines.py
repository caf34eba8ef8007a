"""Wrong arguments of public names of machines in physical units, as in test_bad_arguments."""

import wrong_values as w

import airchitect_jax as aj

MACHINES = {
    "recommend_machine": (
        aj.recommend_machine,
        {"workload": w.NETWORK, "platform": "gemmini"},
        {
            "workload": w.OBJECT,
            "platform": w.OBJECT,
            "objective": w.CHOICE,
            "budgets": w.OPTIONAL,
            "weights": w.WEIGHTS,
            "dims": [v for v in w.OPTIONAL if not isinstance(v, dict)],
        },
        {},
    ),
    "optimize": (
        aj.optimize,
        {"workload": w.NETWORK, "space": None, "platform": "gemmini"},
        {
            "workload": w.OBJECT,
            "space": w.OPTIONAL,
            "platform": w.OBJECT,
            "objective": w.CHOICE,
            "constraints": w.OPTIONAL,
            "gap": [-1.0, float("nan"), float("inf"), "1", None],
            "time_limit": [-1.0, float("nan"), float("inf"), "1", [1.0]],
            "weights": w.WEIGHTS,
            "dims": [v for v in w.OPTIONAL if not isinstance(v, dict)],
            "state": [v for v in w.PATHS if v is not None],
        },
        {},
    ),
    "Budgets": (
        aj.Budgets,
        {},
        {
            "mac_budget": [v for v in w.COUNT if v is not None],
            "sram_budget_bytes": [v for v in w.COUNT if v is not None],
            "area_budget_um2": [v for v in w.COUNT if v is not None],
            "power_budget_w": [0.0, -1.0, float("nan"), float("inf"), "1", [1.0]],
            "latency_budget_s": [0.0, -1.0, float("nan"), float("inf"), "1", [1.0]],
        },
        {},
    ),
    "HardwareSpace": (
        aj.HardwareSpace,
        {"scratchpad_bytes": 2**18, "accumulator_bytes": 2**16},
        {
            name: [*w.COUNT, (4, 2), (2, 2), (2, None)]
            for name in (
                "rows",
                "cols",
                "num_cores",
                "scratchpad_bytes",
                "accumulator_bytes",
                "bandwidth_bytes_per_second",
            )
        },
        {},
    ),
    "Widths": (
        aj.Widths,
        {},
        {f"{name}_bits": w.COUNT for name in ("input", "weight", "accumulator", "output")},
        {},
    ),
    "VectorUnit": (
        aj.VectorUnit,
        {},
        {
            "lanes": w.COUNT,
            "rates": [
                *(v for v in w.OBJECT if not isinstance(v, (dict, list, tuple)) or len(v)),
                *({"softmax": v} for v in w.PRICE if not isinstance(v, w.fractions.Fraction)),
            ],
            "fused": [*(v for v in w.OBJECT if not isinstance(v, (list, tuple))), ("no kind",)],
            "overlapped": [v for v in w.OBJECT if not isinstance(v, bool)],
        },
        {},
    ),
    "Technology": (
        aj.Technology,
        {},
        {
            "node_nm": w.PRICE,
            "dram": w.PATHS,
            **{
                name: [v for v in w.PRICE if v is not None]
                for name in ("mac_pj", "mac_um2", "dram_pj_per_byte")
            },
        },
        {},
    ),
    "write_platform": (
        aj.write_platform,
        {"path": "x.yaml", "platform": aj.read_platform("paper")},
        {"path": w.PATHS, "platform": w.OBJECT},
        {},
    ),
}
