"""Inputs of networks and forests: derived columns, splits, codes."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Int, Num

from airchitect_jax.case_studies import Feature
from airchitect_jax.learning import Dataset, Split
from airchitect_jax.studies.airchitect_v2.table import Table

SPLIT_SEED = 0  # of the one split that all results share
_TEST_SHARE = 0.05
_VALIDATION_SHARE = 0.05
# The data set's layers were drawn from these. Only `filter_side` makes use of it.
_FILTER_SIDES = (1, 3, 5, 7, 9)
_INPUT_SIDES = (1, *range(8, 257, 8))
_MAX_CHANNELS = 512
_CHANNEL_STEP = 2

# What every other column is crossed with: how the array is mapped, and how large the filter is.
CONTEXT = {True: ("df", "R"), False: ("df", "filter_side")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoded:
    """The data set in codes: each column's distinct values, numbered in ascending order.

    Attributes:
      features: the columns as inputs of a network, 0 .. number of values - 1.
      crosses: which columns are looked up jointly, as indices into `features`.
      splits: the layers of each split.
      rows: Int[num], the rows of the table that each split has.
    """

    features: tuple[Feature, ...]
    crosses: tuple[tuple[int, ...], ...]
    splits: dict[Split, Dataset]
    rows: dict[Split, Int[np.ndarray, "num"]]


def split_rows(table: Table) -> dict[Split, Int[np.ndarray, "num"]]:
    """Rows of 90% training, 5% validation and 5% test, always the same ones.

    Layers that occur several times stay together, so none is in two splits.
    """
    layers = np.stack(list(table.columns.values()))
    distinct, layer_of_row = np.unique(layers, axis=1, return_inverse=True)
    shares = np.random.default_rng(SPLIT_SEED).permutation(distinct.shape[1]) / distinct.shape[1]
    share = shares[layer_of_row.reshape(-1)]
    test, validation = share < _TEST_SHARE, share < _TEST_SHARE + _VALIDATION_SHARE
    return {
        Split.TRAIN: np.flatnonzero(~validation),
        Split.VALIDATION: np.flatnonzero(validation & ~test),
        Split.TEST: np.flatnonzero(test),
    }


def derived(table: Table) -> dict[str, Num[np.ndarray, "num"]]:
    """Three columns that follow from those of the file.

    Of a convolution: N and GEMM_K of the GEMM that it is, and its multiply-accumulates. Of a GEMM:
    the filter side and the channels of the convolution that it may have been, and its
    multiply-accumulates. These are floats, since they may exceed an int64.
    """
    if table.is_conv:
        k, c, x, y, r, s = (table.columns[name] for name in ("K", "C", "X", "Y", "R", "S"))
        n, depth = (x - r + 1) * (y - s + 1), c * r * s
        return {"N": n, "GEMM_K": depth, "macs": 1.0 * k * n * depth}
    m, n, depth = (table.columns[name] for name in ("M", "N", "GEMM_K"))
    side = filter_side(n, depth)
    return {"filter_side": side, "C": depth // side**2, "macs": 1.0 * m * n * depth}


def filter_side(
    n: Int[np.ndarray, "num"], gemm_k: Int[np.ndarray, "num"]
) -> Int[np.ndarray, "num"]:
    """The smallest filter side that a layer of the data set with this N and GEMM_K can have.

    Works because the data set draws its layers from a grid. A GEMM that fits no convolution on
    this grid gets 1.
    """
    side = np.ones_like(n)
    for r in reversed(_FILTER_SIDES):
        outputs = np.array([x - r + 1 for x in _INPUT_SIDES if x >= r])
        channels = gemm_k // r**2
        fits = (
            np.isin(n, np.unique(outputs[:, None] * outputs[None, :]))
            & (channels * r**2 == gemm_k)
            & (channels % _CHANNEL_STEP == 0)
            & (channels <= _MAX_CHANNELS)
        )
        side = np.where(fits, r, side)
    return side


def encode(table: Table) -> Encoded:
    """Splits and codes. A value that training does not have gets the code of the next below it."""
    rows = split_rows(table)
    columns = dict(table.columns)
    if not table.is_conv:
        columns |= {name: values for name, values in derived(table).items() if name != "macs"}
    known = {name: np.unique(values[rows[Split.TRAIN]]) for name, values in columns.items()}
    codes = np.stack(
        [
            np.maximum(np.searchsorted(known[name], values, side="right") - 1, 0)
            for name, values in columns.items()
        ]
    ).astype(np.int32)
    names = list(columns)
    context = tuple(names.index(name) for name in CONTEXT[table.is_conv])
    others = [index for index in range(len(names)) if index not in context]
    return Encoded(
        features=tuple(
            Feature(name=name, low=0, high=len(values) - 1) for name, values in known.items()
        ),
        crosses=(context, *((*context, index) for index in others)),
        splits={
            split: Dataset(
                workloads=np.ascontiguousarray(codes[:, chosen]),
                design_ids=table.design_ids[chosen].astype(np.int32),
            )
            for split, chosen in rows.items()
        },
        rows=rows,
    )
