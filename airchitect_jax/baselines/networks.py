"""Networks as competitors: as many steps of `fit` as the time allows, on fresh examples."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Callable

from flax import nnx

from airchitect_jax import learning
from airchitect_jax.baselines.competitor import Fitted, Task
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.models import Mlp, StandardInputs

_TIMED_BLOCKS = 4  # of the short run that measures the rate, after a first that compiles
_EPOCHS = 10  # points of the learning curve; each costs a validation
_STATISTICS = 1 << 16  # training workloads whose mean and deviation standardise the inputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkCompetitor:
    """A network, and how it is trained.

    Attributes:
      name: as in tables.
      make: the untrained network of a case study and a seed.
      loss, batch_size, learning_rate: as for `fit`; the learning rate is the peak.
      optimizer: as for `fit`.
      told: as in `Fitted`.
      any_value: whether the network takes values outside of the ranges that it was trained on.
    """

    name: str
    make: Callable[[CaseStudy, int], nnx.Module]
    loss: learning.Loss
    batch_size: int
    learning_rate: float
    told: tuple[str, ...]
    optimizer: learning.Optimizer = learning.Optimizer.ADAM
    any_value: bool = False

    def train(self, task: Task) -> learning.FitResult:
        """The trained network; a short run, not counted, says how many steps fit the budget."""
        blocks = _blocks_in(task.budget_seconds, self._train(task, 1, 1 + _TIMED_BLOCKS))
        epochs = min(_EPOCHS, blocks)
        return self._train(task, epochs, blocks // epochs)

    def fit(self, task: Task) -> Fitted:
        """See `Competitor`."""
        result = self.train(task)
        return Fitted(
            ranker=learning.Recommender(task.case, result.model),
            parameters=learning.num_parameters(result.model),
            examples=int(result.history[-1]["examples"]),
            train_seconds=result.seconds,
            curve=[
                {
                    "examples": row["examples"],
                    "seconds": row["seconds"],
                    "accuracy": row["validation_accuracy"],
                }
                for row in result.history
                if "validation_accuracy" in row
            ],
            told=self.told,
        )

    def _train(self, task: Task, epochs: int, blocks: int) -> learning.FitResult:
        source = learning.StreamedBatches(
            case=task.case,
            batch_size=self.batch_size,
            steps_per_epoch=blocks * learning.BLOCK_STEPS,
            seed=task.seed,
        )
        next(source.blocks(0, learning.BLOCK_STEPS))  # compiles the oracle, which is not training
        return learning.fit(
            self.make(task.case, task.seed),
            source,
            task.validation,
            learning.TrainConfig(
                epochs=epochs, learning_rate=self.learning_rate, optimizer=self.optimizer
            ),
            learning.loss_fn(task.case, self.loss),
        )


def _blocks_in(budget: float, timed: learning.FitResult) -> int:
    """How many blocks of steps fit, compilation and validation left room for; at least one."""
    seconds = [float(row["seconds"]) for row in timed.history]
    one = statistics.median(after - before for before, after in itertools.pairwise(seconds))
    overhead = seconds[0] - one + timed.seconds - seconds[-1]
    return max(1, int((budget - overhead) / max(one, 1e-3)))


def perceptron(case: CaseStudy, seed: int, hidden_sizes: tuple[int, ...]) -> nnx.Module:
    """A multilayer perceptron on inputs that training workloads standardise."""
    data = learning.sample_dataset(case, seed=seed, num=_STATISTICS, split=learning.Split.TRAIN)
    return Mlp(
        StandardInputs.of(data.workloads),
        case.space.num_designs,
        hidden_sizes=hidden_sizes,
        rngs=nnx.Rngs(seed),
    )
