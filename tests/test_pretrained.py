"""Released weights: written, checked, loaded, and asked about anything."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scripts
from flax import nnx

from airchitect_jax import Dataflow, Labels, load_pretrained, pretrained_names
from airchitect_jax._support.files import write_json
from airchitect_jax._support.workdir import write_config
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.learning import Loss, Recommender, Split, load_trained, sample_dataset
from airchitect_jax.learning.checkpoint_files import save_checkpoint
from airchitect_jax.learning.models import make_model, recipe_of
from airchitect_jax.learning.training import named_leaves
from airchitect_jax.pretrained import CaseStudyPredictor, release
from airchitect_jax.spaces import DEFAULT_ARRAYS

CASE = ArrayDataflowCase(min_mac_exponent=5, max_mac_exponent=8, max_dim=64)
FLAGS = {
    "min_mac_exponent": 5,
    "max_mac_exponent": 8,
    "max_dim": 64,
    "distribution": "uniform",
    "runtime_model": "scalesim",
    **dict.fromkeys(["num_train", "num_validation", "epochs", "batch_size", "learning_rate"], 1),
    "preset": "smoke",
    "loss": "label",
    "model": "paper",
    "embedding_dim": 3,
    "hidden_sizes": [8],
    "seed": 2,
    "num_test": 200,
    "stream": False,
    "eval_workloads": [],
    "workdir": "a folder of this machine",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that ends with the first parameters of its network."""
    folder = tmp_path_factory.mktemp("finished")
    write_config(folder, "case_study1", FLAGS)
    write_json(folder / "summary.json", {"case_study": "case_study1"})
    model = make_model(CASE, "paper", embedding_dim=3, hidden_sizes=(8,), seed=5)
    leaves = named_leaves(nnx.state(model, nnx.Param))
    arrays = {f"params.{name}": array for name, array in leaves.items()}
    save_checkpoint(folder / "checkpoints", 1, arrays, [])
    return folder


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "tiny"
    release(run, folder, name="tiny")
    return folder


@pytest.fixture(scope="module")
def tiny(folder):
    return load_pretrained(folder)


def some(count=300, seed=0):
    """Workloads, and the fields that they come from."""
    workloads = np.asarray(CASE.sample(jax.random.key(seed), count)).astype(np.int64)
    exponent, m, n, k = workloads
    return workloads, {"mac_budget": 1 << exponent, "m": m, "n": n, "k": k}


class Fixed(nnx.Module):
    """Prefers one design, with the same logits for every workload."""

    def __init__(self, favourite, num_designs):
        self.favourite, self.num_designs = favourite, num_designs

    def __call__(self, workloads):
        zeros = 0.0 * workloads[0].astype(jnp.float32)
        return zeros[:, None] + jax.nn.one_hot(jnp.array([self.favourite]), self.num_designs)


def fixed(case, favourite, temperature=1.0):
    model = Fixed(favourite, case.space.num_designs)
    return CaseStudyPredictor(case, model, temperature=temperature, config={})


def test_what_is_loaded_is_the_network_of_the_run(run, tiny):
    workloads, fields = some()
    answer = tiny.predict(**fields)
    ranked, masked = load_trained(run).recommender.rank(workloads)
    assert 0 < masked.sum() < len(masked)
    np.testing.assert_array_equal(answer.from_search, masked)
    np.testing.assert_array_equal(answer.design_id[~masked], ranked[~masked, 0])
    exact = CASE.exact(workloads[:, masked]).design_id
    np.testing.assert_array_equal(answer.design_id[masked], exact)
    assert (answer.confidence[masked] == 1).all()
    assert (answer.confidence[~masked] < 1).all()
    designs = CASE.space.decode(answer.design_id)
    np.testing.assert_array_equal(answer.design.rows, designs.rows)


def test_the_config_says_where_the_weights_come_from(folder, tiny):
    config = json.loads((folder / "config.json").read_text())
    assert config["command"] == (
        "python -m experiments.case_study1 --min_mac_exponent=5 --max_mac_exponent=8 --max_dim=64"
        " --distribution=uniform --runtime_model=scalesim --num_train=1 --num_validation=1"
        " --epochs=1 --batch_size=1 --learning_rate=1 --preset=smoke --loss=label --model=paper"
        " --embedding_dim=3 --hidden_sizes=8 --seed=2 --num_test=200 --nostream"
    )
    assert "a folder of this machine" not in (folder / "config.json").read_text()
    assert config["num_bytes"] == (folder / "weights.safetensors").stat().st_size
    assert {"jax", "airchitect_jax", "device"} <= config["trained_with"].keys()
    assert config["settings"]["told"] == ["labels"]
    assert config["metrics"]["num_test"] == 200
    assert 0 <= config["metrics"]["test_accuracy"] <= config["metrics"]["optimal_set_accuracy"] <= 1
    del config["sha256"]
    assert tiny.config == config


def test_half_precision_takes_half_the_space(run, folder, tmp_path, tiny):
    release(run, tmp_path, name="half", precision="float16")
    sizes = [(path / "weights.safetensors").stat().st_size for path in (tmp_path, folder)]
    assert 0.5 < sizes[0] / sizes[1] < 0.55
    _, fields = some()
    own, half = (weights.predict(**fields) for weights in (tiny, load_pretrained(tmp_path)))
    assert np.mean(own.design_id == half.design_id) > 0.98
    np.testing.assert_allclose(own.confidence, half.confidence, atol=0.01)


def test_a_budget_counts_as_the_power_of_two_within_it(tiny):
    one, other = (tiny.predict(mac_budget=b, m=10, n=20, k=30) for b in (128, 255))
    assert one == other
    assert one.design_id.shape == ()
    many = tiny.predict(mac_budget=[[128], [255], [256]], m=10, n=[20, 21], k=30)
    assert many.design_id.shape == many.confidence.shape == (3, 2)
    np.testing.assert_array_equal(many.design_id[:2, 0], one.design_id)


@pytest.mark.parametrize("field", [{"mac_budget": 31}, {"mac_budget": 512}, {"k": 65}])
def test_out_of_range_is_searched_exactly(tiny, field):
    fields = {"mac_budget": 100, "m": 64, "n": 2, "k": 64} | field
    answer = tiny.predict(**fields)
    assert answer.from_search
    assert answer.confidence == 1
    exact = CASE.exact_of_columns([np.array([value]) for value in fields.values()])
    assert answer.design_id == exact.design_id
    assert answer.design.rows * answer.design.cols <= fields["mac_budget"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mac_budget": 512}, r"mac_budget: 512 at row 0 is not allowed; expected 32\.\.256, the"),
        ({"k": [1, 65, 99]}, r"k: 65 at row 1 is not allowed; expected 1\.\.64, the range of"),
        ({"k": 0}, r"k: 0 is not allowed; expected a whole number in 1\.\."),
        ({"n": 2.5}, "n: 2.5 is not allowed"),
        ({"q": 1}, "q: not a field; expected mac_budget, m, n, k"),
        ({"out_of_range": "guess"}, "out_of_range: 'guess' is not allowed; expected search or"),
        ({"m": [1, 2], "n": [1, 2, 3]}, r"the shapes of m \(2,\), n \(3,\) do not broadcast"),
    ],
)
def test_refusals(tiny, fields, message):
    given = {"mac_budget": 64, "m": 1, "n": 1, "k": 1, "out_of_range": "refuse"} | fields
    with pytest.raises(ValueError, match=f"^{message}"):
        tiny.predict(**given)


def test_a_field_that_is_not_given_is_named(tiny):
    with pytest.raises(ValueError, match=r"^k: not given; expected mac_budget, m, n, k"):
        tiny.predict(mac_budget=64, m=1, n=1)


def test_nothing_is_asked_and_nothing_answered(tiny):
    empty = np.empty(0, np.int64)
    answer = tiny.predict(mac_budget=64, m=empty, n=empty, k=empty)
    assert answer.design_id.shape == (0,)


def test_confidence_is_the_softmax_of_the_first_choice():
    answer = fixed(CASE, 3, temperature=0.5).predict(mac_budget=64, m=1, n=1, k=1)
    assert answer.design_id == 3
    assert answer.confidence == pytest.approx(np.exp(2) / (np.exp(2) + CASE.space.num_designs - 1))


class SearchedInPython(BufferCase):
    """Compiles no search for a few workloads."""

    def exact_of_columns(self, columns):
        found = [self.label_in_python(*map(int, row)) for row in zip(*columns, strict=True)]
        return Labels(design_id=np.array([design for design, _ in found]), cost=None)


def test_buffers_by_the_names_of_the_field():
    case = SearchedInPython(max_dim=100)
    predictor = fixed(case, 7)
    asked = {"m": 10, "n": 20, "k": 30, "cols": 16, "bandwidth_bytes_per_cycle": 4}
    fields = {"sram_budget_bytes": 900_000, "rows": [16, 48], "dataflow": "WS", **asked}
    answer = predictor.predict(**fields)
    np.testing.assert_array_equal(answer.from_search, [False, True])  # 48 is no power of two
    assert answer.design_id[0] == 7
    assert answer.design.ifmap_sram_bytes[0] == case.space.decode(7).ifmap_sram_bytes
    member = predictor.predict(**fields | {"dataflow": Dataflow.WS})
    np.testing.assert_array_equal(member.design_id, answer.design_id)
    with pytest.raises(ValueError, match=r"^rows: 48 at row 1 is not allowed; expected a power of"):
        predictor.predict(**fields, out_of_range="refuse")
    # The smallest design takes 300 KB: design 7 is infeasible.
    small = predictor.predict(**fields | {"sram_budget_bytes": 310_000, "rows": 16})
    assert small.from_search
    assert small.design_id == 0


def test_schedules_take_a_gemm_for_each_array():
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=100)
    predictor = fixed(case, 5)
    answer = predictor.predict(m=[[1, 2, 101], [3, 4, 5]], n=7, k=9)
    np.testing.assert_array_equal(answer.from_search, [False, False, True])
    assert answer.design.workload.shape == (3, 2)
    exact = case.exact(np.array([[101, 7, 9, 5, 7, 9]]).T).design_id
    np.testing.assert_array_equal(answer.design_id, [5, 5, exact[0]])
    with pytest.raises(ValueError, match=r"^m, n, k: the shape \(3,\) is not allowed; expected 2"):
        predictor.predict(m=[1, 2, 3], n=7, k=9)


@pytest.mark.parametrize(
    ("case", "workload"),
    [
        (CASE, [5, 7, 64, 1]),
        (BufferCase(), [30, 7, 64, 1, 3, 8, 2, 100]),
        (ScheduleCase(), list(range(1, 13))),
    ],
)
def test_columns_and_back(case, workload):
    workloads = np.array(workload)[:, None]
    np.testing.assert_array_equal(case.from_columns(case.columns(workloads)), workloads)


@pytest.mark.parametrize("victim", ["config.json", "weights.safetensors"])
def test_damage_is_refused(folder, tmp_path, victim):
    for name in ("config.json", "weights.safetensors"):
        content = bytearray((folder / name).read_bytes())
        content[-9] ^= name == victim
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{victim}.*(checksum differs|not valid JSON)"):
        load_pretrained(tmp_path)


def test_other_arrays_than_the_configs_are_refused(run, tmp_path):
    flags = FLAGS | {"embedding_dim": 4}
    write_config(tmp_path, "case_study1", flags)
    write_json(tmp_path / "summary.json", {"case_study": "case_study1"})
    (tmp_path / "checkpoints").symlink_to(run / "checkpoints")
    with pytest.raises(ValueError, match=r"not a known run of a case study: .*embedding"):
        release(tmp_path, tmp_path / "out", name="wrong")
    assert not (tmp_path / "out").exists()


def test_names_that_are_not_packaged(tmp_path):
    with pytest.raises(ValueError, match=r"^name: 'no_such' is not allowed; expected a folder of"):
        load_pretrained("no_such")
    with pytest.raises(ValueError, match=r"config\.json: not there; expected a folder of released"):
        load_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"^name: 3 is not allowed"):
        load_pretrained(3)


@pytest.mark.parametrize("name", pretrained_names())
def test_packaged_weights_load(name):
    assert load_pretrained(name).config["name"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", pretrained_names())
def test_packaged_networks_answer_as_they_say(name):
    predictor = load_pretrained(name)
    if not isinstance(predictor, CaseStudyPredictor):
        return  # their own tests ask them
    case, flags = predictor.case, predictor.config["flags"]
    told = recipe_of(case, flags["model"]).told(Loss(flags["loss"]))
    assert predictor.config["settings"]["told"] == list(told)
    test = sample_dataset(case, seed=0, num=200, split=Split.TEST)
    chosen, _, fits = predictor._choices(test.workloads)
    assert np.mean((chosen == test.design_ids) & fits) > 0.9


def test_a_recommender_refuses_what_its_network_does_not_know():
    recommender = Recommender(CASE, Fixed(0, CASE.space.num_designs))
    workloads, _ = some(4)
    for row, value, message in [
        (0, 256, r"^mac_exponent: 256 at row 2 is not allowed; expected a whole number in 5\.\.8$"),
        (3, 65, r"^k: 65 at row 2 is not allowed; expected a whole number in 1\.\.64$"),
        (3, 2**32 + 1, "^k: 4294967297 at row 2 is not allowed"),
    ]:
        wrong = workloads.copy()
        wrong[row, 2] = value
        for ask in (recommender.rank, recommender.logits):
            with pytest.raises(ValueError, match=message):
                ask(wrong)
    with pytest.raises(ValueError, match=r"^workloads: 3 rows are not allowed; expected mac_exp"):
        recommender.rank(workloads[1:])
    anything = Recommender(CASE, Fixed(0, CASE.space.num_designs), any_value=True)
    workloads[3, 2] = 65
    assert anything.rank(workloads)[0].shape == (4, 1)
    workloads[0, 2] = 9
    with pytest.raises(ValueError, match=r"^mac_exponent: 9 at row 2"):
        anything.rank(workloads)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "flag"),
    [("case_study1", "--model=airchitect"), ("case_study3", "--arrays=64x64,16x128")],
)
def test_from_a_run_to_predictions(tmp_path, script, flag):
    arguments = ["--preset=smoke", "--num_train=4096", "--num_test=300", "--num_validation=300"]
    arguments += ["--epochs=1", "--batch_size=256", "--max_dim=500", flag]
    result = scripts.run(f"experiments.{script}", *arguments, f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    written = ["--name=mine", f"--run={tmp_path / 'run'}", f"--to={tmp_path / 'mine'}"]
    result = scripts.run("experiments.release", *written)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    config = load_pretrained(tmp_path / "mine").config
    assert f"{flag} " in f"{config['command']} "
    for name in ("test_accuracy_unmasked", "geomean_normalized_performance"):
        assert config["metrics"][name] == pytest.approx(summary[name], abs=0.01)


def test_the_script_refuses_in_one_line(tmp_path):
    given = ["--name=mine", f"--run={tmp_path}", f"--to={tmp_path / 'mine'}"]
    assert "no finished run" in scripts.error_of("experiments.release", *given)
    error = scripts.error_of("experiments.release", *given, "--kind=none")
    assert "--kind: 'none' is not allowed; expected case_study" in error
