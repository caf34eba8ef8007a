"""SCALE-Sim: its files in and out, configurations, exact replays, the installed package."""

import lazy_loader

# Names are imported when they are used: see __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
