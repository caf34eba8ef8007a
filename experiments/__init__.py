"""The scripts of `airchitect_jax.experiments`, as `python -m experiments.NAME` in a clone.

The installed package has them as `airchitect NAME`.
"""

from airchitect_jax import experiments as _scripts

__path__ = _scripts.__path__
