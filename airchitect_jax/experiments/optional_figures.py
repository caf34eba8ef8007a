"""Figures of answers that can do without them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import rich.console

from airchitect_jax._support import MissingExtraError
from airchitect_jax.experiments import runner

if TYPE_CHECKING:
    from airchitect_jax.reporting.style import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures by name; none where matplotlib is not installed.

    Attributes:
      pngs: as files have them.
      svgs: captions and figures as pages have them.
    """

    pngs: Mapping[str, bytes]
    svgs: Mapping[str, tuple[str, str]]

    def save(self, folder: pathlib.Path) -> None:
        """Writes each PNG as figures/NAME.png below the folder."""
        if self.pngs:
            from airchitect_jax.reporting import style

            style.save_pngs(folder, self.pngs)


def finished(
    console: rich.console.Console, draw: Callable[[], Mapping[str, tuple[str, Figure]]]
) -> Figures:
    """What `draw` gives, captions and figures by name; a note where matplotlib is not installed.

    `draw` imports what it draws with: nothing that the answer does not need is imported for it.
    """
    try:
        from airchitect_jax.reporting import style
    except MissingExtraError as error:
        runner.say(console, f"note: {error}")
        return Figures(pngs={}, svgs={})
    drawn = draw()
    return Figures(
        pngs={name: style.to_png(figure) for name, (_, figure) in drawn.items()},
        svgs=style.to_svgs(drawn),
    )
