"""Quantities with units."""

from fractions import Fraction

import pytest
import wrong_values as w
from hypothesis import given
from hypothesis import strategies as st

from airchitect_jax import _support as support
from airchitect_jax._support import quantity, quantity_text, whole_quantity

UNITS = [
    support.COUNT,
    support.SIZE,
    support.RATE,
    support.FREQUENCY,
    support.LENGTH,
    support.AREA,
    support.POWER,
    support.TIME,
    support.ENERGY,
    support.ENERGY_PER_BYTE,
]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("24MB", support.SIZE, 24 * 1024 * 1024),
        ("24MiB", support.SIZE, 24 * 1024 * 1024),
        ("512 KB", support.SIZE, 512 * 1024),
        ("1.5MiB", support.SIZE, 3 * 512 * 1024),
        ("2GB", support.SIZE, 2 * 1024**3),
        (4096, support.SIZE, 4096),
        ("900GB/s", support.RATE, 900 * 10**9),
        ("614.4GB/s", support.RATE, 614_400_000_000),
        ("1.2TB/s", support.RATE, 1_200_000_000_000),
        ("1.05GHz", support.FREQUENCY, 1_050_000_000),
        ("700MHz", support.FREQUENCY, 700_000_000),
        ("7nm", support.LENGTH, 7),
        ("0.18um", support.LENGTH, 180),
        ("300mm2", support.AREA, 300_000_000),
        ("75W", support.POWER, 75),
        ("300mW", support.POWER, Fraction(3, 10)),
        ("10ms", support.TIME, Fraction(1, 100)),
        ("1us", support.TIME, Fraction(1, 10**6)),
        ("0.23pJ", support.ENERGY, Fraction(23, 100)),
        ("3.9pJ/bit", support.ENERGY_PER_BYTE, Fraction(312, 10)),
        ("160pJ/byte", support.ENERGY_PER_BYTE, 160),
        (0.1, support.ENERGY, Fraction(1, 10)),
        ("1e-3", support.TIME, Fraction(1, 1000)),
    ],
)
def test_worked_quantities(text, unit, expected):
    found = quantity("x", text, unit)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["24mb", "24M", "24MB/s", "MB", "-1MB", "1_000", "1/2", "24MBMB", "1e9999", "24MB\n", "٣"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(
        ValueError, match=r"^x: .* is not allowed; expected a size in B, KB, MB, GB"
    ):
        quantity("x", text, support.SIZE)


def test_objects_are_refused():
    for value in [*w.OBJECTS[:4], None, True, -1, float("nan"), float("inf"), 10**5000, [1]]:
        with pytest.raises(ValueError, match=r"^x: .* is not allowed; expected a size"):
            quantity("x", value, support.SIZE)


def test_whole_quantities():
    assert whole_quantity("x", "0.5KB", support.SIZE) == 512
    with pytest.raises(ValueError, match=r"^x: '0.3B' is not allowed; expected whole B$"):
        whole_quantity("x", "0.3B", support.SIZE)
    with pytest.raises(ValueError, match=r"^x: '2.5' is not allowed; expected a whole number$"):
        whole_quantity("x", "2.5", support.COUNT)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (24 * 2**20, support.SIZE, "24MB"),
        (1536, support.SIZE, "1.5KB"),
        (1000, support.SIZE, "1000B"),
        (614_400_000_000, support.RATE, "614.4GB/s"),
        (0.3, support.POWER, "300mW"),
        (31.2, support.ENERGY_PER_BYTE, "3.9pJ/bit"),
        (128, support.COUNT, "128"),
        (0, support.SIZE, "0B"),
    ],
)
def test_worked_texts(value, unit, text):
    assert quantity_text(value, unit) == text


@given(st.sampled_from(UNITS), st.integers(0, 2**60) | st.floats(0, 1e20))
def test_texts_are_read_back(unit, value):
    assert float(quantity("x", quantity_text(value, unit), unit)) == float(value)
    if isinstance(value, int):
        assert quantity("x", quantity_text(value, unit), unit) == value
