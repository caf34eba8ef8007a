"""The networks by name, each with the recipe that trains it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
from flax import nnx

from airchitect_jax._support import find, register, registered
from airchitect_jax.case_studies import BufferCase, CaseStudy, ScheduleCase
from airchitect_jax.learning.losses import Loss
from airchitect_jax.learning.models.additive import Additive
from airchitect_jax.learning.models.airchitect import Airchitect
from airchitect_jax.learning.models.factored import FactoredScheduler
from airchitect_jax.learning.models.paper import PaperNetwork
from airchitect_jax.learning.models.sizing import BufferSizer
from airchitect_jax.learning.models.symmetric import SymmetricScheduler
from airchitect_jax.learning.training import Optimizer

# Makes a network with its first parameters: case study, seed, embedding width, hidden widths.
Make = Callable[[CaseStudy, int, int, Sequence[int]], nnx.Module]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """A network and how it is trained.

    Attributes:
      make: the network with its first parameters, of a case study, a seed, and for networks that
        have them the widths of embeddings and hidden layers.
      serves: whether the network can learn a case study; None if it can learn any.
      loss: as `Loss`; None for the loss of labels that the case study asks for.
      optimizer, learning_rate: as for `fit`; the learning rate is the peak.
      batch_size: None for the largest that the number of designs allows.
      has_widths: whether it has widths of embeddings and hidden layers to choose.
      any_value: whether the network takes values outside the ranges that it was trained on.
      knows: what its inputs or its structure take from the cost model.
      single_threaded: whether XLA's CPU backend trains it faster on one thread: its steps are so
        small that waiting for others takes longer than they save.
      variants: recipes that take its place in the case studies that they can learn.
    """

    make: Make
    serves: Callable[[CaseStudy], bool] | None = None
    loss: Loss | None = None
    optimizer: Optimizer = Optimizer.ADAM
    learning_rate: float = 0.02
    batch_size: int | None = None
    has_widths: bool = False
    any_value: bool = False
    knows: tuple[str, ...] = ()
    single_threaded: bool = False
    variants: tuple[NetworkRecipe, ...] = ()

    def can_learn(self, case: CaseStudy) -> bool:
        """Whether the network serves a case study."""
        return self.serves is None or self.serves(case)

    def of(self, case: CaseStudy) -> NetworkRecipe:
        """The first variant that can learn a case study, or else this recipe."""
        return next((recipe for recipe in self.variants if recipe.can_learn(case)), self)

    def loss_of(self, case: CaseStudy) -> Loss:
        """The loss that the network is trained with."""
        if self.loss is not None:
            return self.loss
        return Loss.OPTIMAL_SET if case.has_many_optima else Loss.LABEL

    def told(self, loss: Loss) -> tuple[str, ...]:
        """What a network is told beside the workloads: by the loss in training, and by design."""
        return ("labels", *_ALSO_TOLD[loss], *self.knows)


# Beside labels.
_ALSO_TOLD: Mapping[Loss, tuple[str, ...]] = {
    Loss.LABEL: (),
    Loss.OPTIMAL_SET: ("costs", "feasibility"),
    Loss.COST: ("costs", "feasibility"),
}
_FACTORS = "factors of the cost formula"
_MAKESPAN = "a schedule takes as long as its slowest array"


def fitting_batch(case: CaseStudy, most_logits: int = 1 << 22) -> int:
    """The largest power of two up to 4096 with at most so many logits."""
    return min(4096, 1 << (most_logits // case.space.num_designs).bit_length() - 1)


def recipes(case: CaseStudy) -> dict[str, NetworkRecipe]:
    """The networks that can learn a case study, by name."""
    of_case = {name: recipe.of(case) for name, recipe in registered("network").items()}
    return {name: recipe for name, recipe in of_case.items() if recipe.can_learn(case)}


def recipe_of(case: CaseStudy, name: str) -> NetworkRecipe:
    """The recipe of a registered network for a case study.

    Raises:
      ValueError: there is no such network, or not for this case study.
    """
    recipe: NetworkRecipe = find("network", name).of(case)
    if not recipe.can_learn(case):
        raise ValueError(f"model: {name} is not allowed in {case.name}")
    return recipe


def make_model(
    case: CaseStudy, name: str, *, embedding_dim: int, hidden_sizes: Sequence[int], seed: int
) -> nnx.Module:
    """A network with its first parameters.

    Args:
      case: the case study to learn.
      name: of a registered network, for example "airchitect" or "paper".
      embedding_dim: of the paper's network.
      hidden_sizes: of the paper's network.
      seed: of the first parameters, or of the workloads that inputs are scaled by.

    Raises:
      ValueError: there is no such network, or not for this case study.
    """
    return recipe_of(case, name).make(case, seed, embedding_dim, hidden_sizes)


def _paper(case: CaseStudy, seed: int, embedding_dim: int, hidden: Sequence[int]) -> nnx.Module:
    return PaperNetwork(
        case.features,
        case.space.num_designs,
        embedding_dim=embedding_dim,
        hidden_sizes=hidden,
        rngs=nnx.Rngs(seed),
    )


def _airchitect(case: CaseStudy, seed: int, _: int, hidden: Sequence[int]) -> nnx.Module:
    return Airchitect(case, hidden_sizes=hidden, key=jax.random.key(seed))


def _sizer(case: CaseStudy, seed: int, _: int, hidden: Sequence[int]) -> nnx.Module:
    assert isinstance(case, BufferCase)  # noqa: S101 - see `serves`
    return BufferSizer(case, hidden_sizes=hidden, key=jax.random.key(seed))


def _factored(case: CaseStudy, seed: int, *_: object) -> nnx.Module:
    assert isinstance(case, ScheduleCase)  # noqa: S101 - see `serves`
    return FactoredScheduler(case, key=jax.random.key(seed))


def _symmetric(case: CaseStudy, seed: int, *_: object) -> nnx.Module:
    assert isinstance(case, ScheduleCase)  # noqa: S101 - see `serves`
    return SymmetricScheduler(case, key=jax.random.key(seed))


def _has_schedules(case: CaseStudy) -> bool:
    return isinstance(case, ScheduleCase)


def _learns_costs_of_designs(case: CaseStudy) -> bool:
    """Whether log terms are those of all designs, and all inputs have logarithms."""
    positive = all(feature.low >= 1 for feature in case.features if not feature.is_constraint)
    return positive and not isinstance(case, ScheduleCase)


register("network", "paper", NetworkRecipe(make=_paper, has_widths=True))
register(
    "network",
    "airchitect",
    NetworkRecipe(
        make=_airchitect,
        serves=Airchitect.serves,
        loss=Loss.LABEL,
        learning_rate=0.003,
        has_widths=True,
        knows=(_FACTORS,),
        single_threaded=True,
        variants=(
            NetworkRecipe(
                make=_sizer,
                serves=lambda case: isinstance(case, BufferCase),
                loss=Loss.LABEL,
                learning_rate=0.004,
                batch_size=1024,
                has_widths=True,
                knows=(_FACTORS, "designs that no label has"),
                single_threaded=True,
            ),
            NetworkRecipe(
                make=_factored,
                serves=_has_schedules,
                loss=Loss.LABEL,
                optimizer=Optimizer.MUON,
                learning_rate=0.002,
                batch_size=1024,
                any_value=True,
                knows=(_FACTORS, _MAKESPAN),
                single_threaded=True,
            ),
        ),
    ),
)
register(
    "network",
    "additive",
    NetworkRecipe(
        make=lambda case, seed, *_: Additive(case, key=jax.random.key(seed)),
        serves=_learns_costs_of_designs,
        loss=Loss.COST,
        optimizer=Optimizer.MOMENTUM,
        any_value=True,
        knows=(_FACTORS,),
    ),
)
register(
    "network",
    "symmetric",
    NetworkRecipe(
        make=_symmetric,
        serves=_has_schedules,
        loss=Loss.COST,
        optimizer=Optimizer.MOMENTUM,
        batch_size=1024,
        any_value=True,
        knows=(_FACTORS, _MAKESPAN),
    ),
)
