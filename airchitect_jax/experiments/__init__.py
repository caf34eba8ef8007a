"""Scripts: flags to configuration to library to results.

The command `airchitect NAME` runs them, and so does `python -m experiments.NAME` in a clone.
"""

import sys

# `python -m experiments.NAME` imports this package before the script, and until it has found the
# script its name is "-m". Nothing runs earlier; and whoever imports a script sees no side effect.
if sys.argv[:1] == ["-m"]:
    from airchitect_jax.experiments import interrupts, missing_extras

    interrupts.install()
    missing_extras.install()
