"""The flag of scripts whose workdirs can be gone on with."""

from __future__ import annotations

from absl import flags

RESUME = flags.DEFINE_boolean(
    "resume", False, "Go on with the run that the workdir holds; start one if it holds none."
)
