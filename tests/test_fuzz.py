"""The fuzzing script finds nothing in a few seconds, and finds what is there to be found."""

import random

import pytest

from tools import fuzz_readers


def test_samples_are_read():
    assert [fuzz_readers.read(sample) for sample in fuzz_readers.samples()] == ["read"] * 4


@pytest.mark.parametrize("place", range(4))
def test_damaged_samples_are_read_or_refused(place):
    rng, sample = random.Random(place), fuzz_readers.samples()[place]
    outcomes = {fuzz_readers.read(fuzz_readers.mutated(sample, rng)) for _ in range(3000)}
    assert outcomes == {"read", "refused"}


def test_what_breaks_a_reader_is_not_hidden(monkeypatch, capsys):
    def broken(*_, **__):
        raise KeyError("oh")

    monkeypatch.setattr(fuzz_readers, "parse_topology", broken)
    assert fuzz_readers._at_random(5, 0) == 1
    assert "KeyError" in capsys.readouterr().err
