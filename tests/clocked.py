"""The case study of docs/extending.md, as a module."""

import re
import sys
import types

import scripts

_PAGE = (scripts.ROOT / "docs" / "extending.md").read_text()
(SOURCE,) = (
    block
    for block in re.findall(r"^```python\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
    if "class ClockedCase" in block
)

_module = types.ModuleType("clocked_of_the_page")
sys.modules[_module.__name__] = _module  # where dataclasses look for it
exec(compile(SOURCE, "docs/extending.md", "exec"), _module.__dict__)

ClockedCase = _module.ClockedCase
