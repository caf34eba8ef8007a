import jax
import numpy as np
import pytest
import reference

from airchitect_jax.case_studies import ArrayDataflowCase, out_of_range
from airchitect_jax.learning import (
    Dataset,
    Split,
    StoredBatches,
    StreamedBatches,
    sample_dataset,
    split_of,
)
from airchitect_jax.learning.datasets import load_dataset, save_dataset
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads import Distribution, sample_integers

CASE = ArrayDataflowCase(max_dim=300, max_mac_exponent=10)


def rows(workloads):
    return set(map(tuple, np.asarray(workloads).T.tolist()))


def test_splits_are_disjoint_and_sized():
    sets = {split: sample_dataset(CASE, seed=0, num=4000, split=split) for split in Split}
    for split, dataset in sets.items():
        assert len(dataset) == 4000
        assert (np.asarray(split_of(dataset.workloads)) == split).all()
        assert not out_of_range(CASE, dataset.workloads).any()
    assert not rows(sets[Split.TRAIN].workloads) & rows(sets[Split.TEST].workloads)
    everything = CASE.sample(jax.random.key(1), 200_000)
    shares = np.bincount(split_of(everything), minlength=3) / 200_000
    np.testing.assert_allclose(shares, [30 / 32, 1 / 32, 1 / 32], rtol=0.05)


@pytest.mark.parametrize("model", list(RuntimeModel))
def test_labels_are_exact(model):
    case = ArrayDataflowCase(max_dim=300, runtime_model=model)
    dataset = sample_dataset(case, seed=3, num=200, split=Split.TRAIN)
    for (exponent, m, n, k), design_id in zip(
        dataset.workloads.T.tolist(), dataset.design_ids, strict=True
    ):
        assert design_id == reference.best(2**exponent, m, n, k, model.value)[0]


def test_same_seed_same_data_whatever_the_number():
    first = sample_dataset(CASE, seed=5, num=70_000, split=Split.TRAIN)
    again = sample_dataset(CASE, seed=5, num=100, split=Split.TRAIN)
    other = sample_dataset(CASE, seed=6, num=100, split=Split.TRAIN)
    np.testing.assert_array_equal(first.workloads[:, :100], again.workloads)
    assert (again.workloads != other.workloads).any()


def test_ranges_without_a_workload_for_a_split_are_refused():
    case = ArrayDataflowCase(min_mac_exponent=5, max_mac_exponent=5, max_dim=1)
    (only,) = set(np.asarray(split_of(case.sample(jax.random.key(0), 100))).tolist())
    other = Split.TEST if only != Split.TEST else Split.TRAIN
    with pytest.raises(ValueError, match=r"no workload for the \w+ split in mac_exponent 5\.\.5"):
        sample_dataset(case, seed=0, num=10, split=other)


def test_saved_data_comes_back_and_foreign_data_does_not(tmp_path):
    path = tmp_path / "data" / "train.npz"
    dataset = sample_dataset(CASE, seed=0, num=100, split=Split.TRAIN)
    assert load_dataset(path, {"seed": 0}) is None
    save_dataset(path, dataset, {"seed": 0})
    loaded = load_dataset(path, {"seed": 0})
    np.testing.assert_array_equal(loaded.workloads, dataset.workloads)
    np.testing.assert_array_equal(loaded.design_ids, dataset.design_ids)
    assert load_dataset(path, {"seed": 1}) is None
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["train.npz", "train.npz.sha256"]


@pytest.mark.parametrize("offset", [0, 40, 300, 700, -40, -1])
@pytest.mark.parametrize("name", ["train.npz", "train.npz.sha256"])
def test_damaged_data_is_made_again(name, offset, tmp_path):
    path = tmp_path / "train.npz"
    save_dataset(path, Dataset(workloads=np.ones((4, 9)), design_ids=np.ones(9)), {})
    damaged = bytearray((tmp_path / name).read_bytes())
    damaged[offset % len(damaged)] ^= 0x01
    (tmp_path / name).write_bytes(damaged)
    with pytest.warns(UserWarning, match=r"train\.npz: damaged.*the data set is made again"):
        assert load_dataset(path, {}) is None
    path.write_bytes(b"")
    with pytest.warns(UserWarning, match="made again"):
        assert load_dataset(path, {}) is None


def epoch_rows(source, epoch, block_steps):
    blocks = list(source.blocks(epoch, block_steps))
    for workloads, design_ids in blocks:
        assert workloads.shape[::2] == design_ids.shape
    workloads = np.concatenate([np.asarray(w).swapaxes(0, 1).reshape(4, -1) for w, _ in blocks], 1)
    design_ids = np.concatenate([np.asarray(d).reshape(-1) for _, d in blocks])
    return workloads, design_ids


def test_stored_batches_show_each_example_once_an_epoch():
    dataset = sample_dataset(CASE, seed=0, num=1000, split=Split.TRAIN)
    numbered = Dataset(
        workloads=np.stack([np.arange(1000, dtype=np.int32)] * 4), design_ids=dataset.design_ids
    )
    source = StoredBatches(dataset=numbered, batch_size=64, seed=0)
    assert source.steps_per_epoch == 15
    workloads, design_ids = epoch_rows(source, 0, 4)
    assert len(set(workloads[0].tolist())) == 15 * 64
    np.testing.assert_array_equal(design_ids, dataset.design_ids[workloads[0]])
    assert (workloads != epoch_rows(source, 1, 4)[0]).any()
    np.testing.assert_array_equal(workloads, epoch_rows(source, 0, 7)[0])


def test_streamed_batches_are_fresh_exact_and_repeatable():
    source = StreamedBatches(case=CASE, batch_size=128, steps_per_epoch=6, seed=0)
    first, design_ids = epoch_rows(source, 0, 4)
    np.testing.assert_array_equal(first, epoch_rows(source, 0, 4)[0])
    assert (first != epoch_rows(source, 1, 4)[0]).any()
    assert (np.asarray(split_of(first)) == Split.TRAIN).all()
    np.testing.assert_array_equal(design_ids, CASE.exact(first).design_id)


def test_a_share_of_the_streamed_dimensions_is_log_uniform():
    source = StreamedBatches(case=CASE, batch_size=4096, steps_per_epoch=1, seed=0, small_share=0.5)
    workloads, design_ids = epoch_rows(source, 0, 1)
    assert (np.asarray(split_of(workloads)) == Split.TRAIN).all()
    np.testing.assert_array_equal(design_ids[:100], CASE.exact(workloads[:, :100]).design_id)
    small = np.asarray(workloads[1:]) <= 15
    expected = (np.log(16) / np.log(301) + 15 / 300) / 2
    assert small.mean() == pytest.approx(expected, rel=0.1)
    assert small.all(axis=0).mean() == pytest.approx(expected**3, rel=0.4)  # independently


def test_uniform_and_log_uniform():
    for distribution in Distribution:
        values = np.asarray(
            sample_integers(
                jax.random.key(0), (50_000,), low=1, high=1000, distribution=distribution
            )
        )
        assert values.min() == 1
        assert values.max() >= 990
        assert values.max() <= 1000
        share_up_to_31 = (values <= 31).mean()
        expected = 0.031 if distribution is Distribution.UNIFORM else np.log(32) / np.log(1001)
        assert share_up_to_31 == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_mac_exponent": 1}, "mac exponents: 1..18"),
        ({"min_mac_exponent": 9, "max_mac_exponent": 8}, "mac exponents: 9..8"),
        ({"max_dim": 0}, "max_dim: 0"),
    ],
)
def test_bad_ranges_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataflowCase(**change)
