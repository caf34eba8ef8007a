"""Checkpoints that are damaged are noticed, and nothing is written where they are read."""

import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from airchitect_jax.learning.checkpoint_files import (
    newest_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    stored_shapes,
)


def arrays(step):
    return {"params.kernel": jnp.full((3, 4), step, jnp.float32), "step": jnp.int32(step)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    for step in (2, 4, 10):
        save_checkpoint(folder, step, arrays(step), [{"step": step}])
    return folder


def listing(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_the_newest_of_two_is_restored_and_nothing_is_written(saved):
    before = listing(saved)
    assert sorted(path.name for path in saved.iterdir()) == ["10", "4"]
    checkpoint = newest_checkpoint(saved)
    assert checkpoint == saved / "10"
    assert stored_shapes(checkpoint)["params.kernel"].shape == (3, 4)
    restored, history = restore_checkpoint(checkpoint, stored_shapes(checkpoint))
    assert history == [{"step": 10}]
    np.testing.assert_array_equal(restored["params.kernel"], np.full((3, 4), 10))
    assert listing(saved) == before
    assert newest_checkpoint(saved / "nothing") is None
    assert not (saved / "nothing").exists()


def test_damage_to_any_file_is_noticed(saved, tmp_path):
    for number, path in enumerate(sorted((saved / "10").rglob("*"))):
        if not path.is_file():
            continue
        folder = tmp_path / str(number)
        shutil.copytree(saved, folder)
        victim = folder / path.relative_to(saved)
        whole = victim.read_bytes()
        for offset in (0, len(whole) // 2, len(whole) - 1):
            victim.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x40]) + whole[offset + 1 :])
            with pytest.warns(UserWarning, match=f"checkpoint {folder / '10'} is not used"):
                assert newest_checkpoint(folder) == folder / "4", victim
        victim.unlink()
        with pytest.warns(UserWarning, match="is not used"):
            assert newest_checkpoint(folder) == folder / "4", victim


@pytest.mark.filterwarnings("ignore:checkpoint")
def test_where_none_is_whole_the_folder_is_named(saved, tmp_path):
    folder = tmp_path / "all"
    shutil.copytree(saved, folder)
    for step in ("4", "10"):
        (folder / step / "state" / "_METADATA").write_text("")
    with pytest.raises(ValueError, match=r"all: no checkpoint is whole .*; remove this"):
        newest_checkpoint(folder)


def test_a_damaged_one_is_replaced_and_leftovers_are_removed(saved, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(saved, folder)
    (folder / "10" / "checksums.json").unlink()
    (folder / ".10.partial").mkdir()
    (folder / ".7.partial").symlink_to(saved)
    save_checkpoint(folder, 10, arrays(11), [])
    assert sorted(path.name for path in folder.iterdir()) == ["10", "4"]
    restored, _ = restore_checkpoint(newest_checkpoint(folder), arrays(0))
    assert restored["step"] == 11
    assert newest_checkpoint(saved) == saved / "10"


def test_other_arrays_are_refused_before_they_are_read(saved):
    huge = {"params.kernel": np.broadcast_to(np.float32(0), (3, 10**12)), "step": np.int32(0)}
    message = r"10: params\.kernel: float32 of shape \(3, 4\) is not allowed; expected float32 of"
    with pytest.raises(ValueError, match=message):
        restore_checkpoint(saved / "10", huge)
    with pytest.raises(ValueError, match=r"step: int32 of shape .* expected no array"):
        restore_checkpoint(saved / "10", {"params.kernel": jnp.zeros((3, 4))})
