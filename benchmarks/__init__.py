"""Side-by-side measurements; each prints one JSON line per row."""

import sys

if sys.argv[:1] == ["-m"]:  # see experiments/__init__.py
    from airchitect_jax.experiments import interrupts

    interrupts.install()
