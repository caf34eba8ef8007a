"""Folders of runs: one owner, one process, one set of flags."""

import json

import pytest

from airchitect_jax._support import read_sealed, workdir, write_sealed

SETTINGS = {"seed": 0, "eval_workloads": []}


def claim(folder, settings=SETTINGS, experiment="case_study1", resume=False, free=()):
    return workdir.claim(str(folder), experiment, settings, resume=resume, free=set(free))


def refused(folder, message, **arguments):
    with pytest.raises(ValueError, match=message) as error, claim(folder, **arguments):
        pass
    assert "\n" not in str(error.value)


@pytest.fixture
def held(tmp_path):
    """A folder that holds a finished run."""
    with claim(tmp_path / "run") as folder:
        (folder / "summary.json").write_text("{}")
    return folder


def test_a_folder_is_claimed_by_its_settings(held):
    config = json.loads((held / "config.json").read_text())
    assert config["experiment"] == "case_study1"
    assert config["flags"] == SETTINGS
    assert {"airchitect_jax", "jax", "device", "python"} <= set(config["environment"])
    refused(held, "holds a run already; give --resume")
    changed = SETTINGS | {"seed": 1}
    refused(held, "--seed: 1 is not allowed; expected 0", settings=changed, resume=True)
    more = SETTINGS | {"epochs": 2}
    refused(held, "--epochs: 2 is not allowed; expected None", settings=more, resume=True)
    with claim(held, SETTINGS | {"eval_workloads": ["a"]}, resume=True, free=["eval_workloads"]):
        pass
    refused(held, "--eval_workloads: None is not allowed", settings={"seed": 0}, resume=True)


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_another_experiment_is_refused(held, resume):
    before = (held / "config.json").read_bytes()
    message = "holds a run of case_study1, not of compare_models; give another --workdir"
    refused(held, message, experiment="compare_models", resume=resume)
    assert (held / "config.json").read_bytes() == before


def test_a_folder_without_an_owner_is_known_by_the_names_of_its_flags(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"flags": SETTINGS}))
    refused(tmp_path, "holds a run of another experiment", settings={"seed": 0}, resume=True)
    with claim(tmp_path, resume=True):
        pass
    assert workdir.read_config(tmp_path)["experiment"] == "case_study1"


def test_one_process_at_a_time(tmp_path):
    with claim(tmp_path / "run") as folder:
        refused(folder, f"{folder} is in use by another process", resume=True)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    (folder / ".lock").write_text("")  # a killed process leaves the file, not the lock
    with claim(folder, resume=True):
        refused(folder, "in use by another process", resume=True)


def test_a_folder_without_locks_is_used_with_a_warning(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError("not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.warns(UserWarning, match="no locks here"), claim(tmp_path / "run"):
        pass


def test_nothing_stays_of_a_run_that_writes_nothing(tmp_path):
    with workdir.occupy(str(tmp_path / "new"), "recommend", SETTINGS):
        assert (tmp_path / "new").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_runs_leave_is_removed(held):
    (held / "figures").mkdir()
    for name in (".a.png.123-0badcafe.partial", ".mine.partial", "b.partial"):
        (held / "figures" / name).write_text("half")
    with claim(held, resume=True):
        left = sorted(path.name for path in (held / "figures").iterdir())
        assert left == [".mine.partial", "b.partial"]


def test_folders_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "file is not a folder")
    refused("", "--workdir: '' is not allowed; expected a folder")
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    refused(tmp_path, "cannot be written")
    assert not (tmp_path / "target").exists()
    (tmp_path / ".lock").unlink()
    for text in ("{half", "[]", "3", "{}", '{"flags": []}', '{"experiment": "a", "flags": {}}'):
        (tmp_path / "config.json").write_text(text)
        refused(tmp_path, r"config\.json: ", resume=True)


def test_any_damage_to_the_config_is_refused_or_harmless(held):
    path = held / "config.json"
    whole = path.read_bytes()
    for offset in range(0, len(whole), 3):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x01]) + whole[offset + 1 :])
        try:
            assert workdir.read_config(held)["flags"] == SETTINGS
        except ValueError as error:
            assert "config.json: " in str(error)  # noqa: PT017 - some damage is none


def test_sealed_files_come_back_or_are_refused(tmp_path):
    path = tmp_path / "row.json"
    value = {"b": (1, 2.5e-7), "a": {"1": None}}
    write_sealed(path, value)
    assert read_sealed(path, remedy="none") == {"b": [1, 2.5e-7], "a": {"1": None}}
    path.write_text(path.read_text().replace("2.5e-07", "2.6e-07"))
    with pytest.raises(ValueError, match=r"row\.json: damaged or edited.*; remove it"):
        read_sealed(path, remedy="remove it")
