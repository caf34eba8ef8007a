"""Write the questions of a fixed test set, without answers (docs/pretrained.md).

One row per question, in columns by name; `id` numbers the questions. `machines` has one row per
layer of each network. `airchitect score` scores what answers them.

  airchitect test_set --set=case_study1 --output=questions.csv
"""

from __future__ import annotations

import pathlib

import rich.console
from absl import flags

from airchitect_jax.experiments import runner, script
from airchitect_jax.test_sets import fixed_set, fixed_set_names, write_questions

SET = flags.DEFINE_enum("set", None, fixed_set_names(), "The test set.", required=True)
OUTPUT = flags.DEFINE_string("output", None, "The file: .csv or .parquet.", required=True)


def main(console: rich.console.Console) -> None:
    """Flags to library."""
    fixed = fixed_set(SET.value)
    write_questions(pathlib.Path(OUTPUT.value), fixed)
    num = int(fixed.questions["id"][-1]) + 1
    runner.say(console, f"{fixed.title}: {num:,} questions in {OUTPUT.value}")
    runner.say(console, f"sha256 {fixed.digest()}")


if __name__ == "__main__":
    script.run(main, "give the same command again")
