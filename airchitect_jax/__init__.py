"""Learned and exact design-space exploration for systolic-array accelerators, in JAX."""

import lazy_loader

# Names are imported when they are used: see __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
