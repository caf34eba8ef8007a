"""The flag of the scripts that can resume a run."""

from __future__ import annotations

from absl import flags

RESUME = flags.DEFINE_boolean(
    "resume", False, "Resume the run in the workdir, or start one if there is none."
)
