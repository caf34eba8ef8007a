"""A finished run with damaged files: gone on with to the same summary, or refused in one line."""

import io
import json
import shutil

import jax
import pytest
import rich.console
from absl import flags
from absl.testing import flagsaver

from airchitect_jax.experiments import case_study1

TINY = [
    "--model=paper",
    "--preset=smoke",
    "--num_train=4096",
    "--num_test=200",
    "--num_validation=200",
    "--epochs=2",
    "--batch_size=128",
    "--embedding_dim=2",
    "--hidden_sizes=8",
    "--max_mac_exponent=6",
    "--max_dim=100",
]


def run(folder, *arguments):
    """The summary without timings, or the refusal."""
    with (
        flagsaver.flagsaver(),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        flags.FLAGS(["case_study1", *TINY, f"--workdir={folder}", *arguments])
        try:
            case_study1.main(rich.console.Console(file=io.StringIO()))
        except (ValueError, OSError) as error:
            return str(error)
    summary = json.loads((folder / "summary.json").read_text())
    return {k: v for k, v in summary.items() if not k.endswith(("_seconds", "_per_second"))}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, run(folder)


def flip(path, offset):
    """Damages 64 bytes, from a part of the file on."""
    content = bytearray(path.read_bytes())
    first = int(offset * max(len(content) - 64, 0))
    content[first : first + 64] = bytes(byte ^ 0x11 for byte in content[first : first + 64])
    path.write_bytes(content)


def files_in(folder, part):
    found = sorted(path for path in folder.glob(part) if path.is_file())
    assert found
    return [path.relative_to(folder) for path in found]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("part", "offsets", "is_refused"),
    [
        ("config.json", (0, 0.1, 0.3, 0.6, 1), True),
        ("data/*", (0, 0.5), False),
        ("checkpoints/64/**/*", (0.5,), False),  # the newest: the last epoch is trained again
    ],
)
def test_damage_to_one_file(finished, tmp_path, part, offsets, is_refused):
    folder, summary = finished
    for number, name in enumerate(files_in(folder, part)):
        for offset in offsets:
            damaged = tmp_path / f"{number}-{offset}"
            shutil.copytree(folder, damaged)
            flip(damaged / name, offset)
            found = run(damaged, "--resume")
            if is_refused:
                assert name.name in found
                assert "\n" not in found
            else:
                assert found == summary, (name, offset)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", ["[!c]*.*", "figures/*", "checkpoints/32/**/*"])
def test_damage_to_what_is_written_again_or_not_needed(finished, tmp_path, part):
    folder, summary = finished
    damaged = tmp_path / "run"
    shutil.copytree(folder, damaged)
    for name in files_in(folder, part):
        flip(damaged / name, 0.5)
    assert run(damaged, "--resume") == summary


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_where_no_checkpoint_is_whole_the_run_is_refused_and_can_be_saved(finished, tmp_path):
    folder, summary = finished
    damaged = tmp_path / "run"
    shutil.copytree(folder, damaged)
    for name in files_in(folder, "checkpoints/*/state/_METADATA"):
        flip(damaged / name, 0.5)
    refusal = run(damaged, "--resume")
    assert f"{damaged / 'checkpoints'}: no checkpoint is whole" in refusal
    assert "\n" not in refusal
    shutil.rmtree(damaged / "checkpoints")
    assert run(damaged, "--resume") == summary
