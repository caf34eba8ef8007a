"""Serve a page on this machine that answers `recommend` while you move its sliders.

The page takes a packaged network or a file, MAC units, SRAM, bandwidth and clock, and shows the
exact answer, its roofline and the Pareto front; its link holds the question, and it shows the
command with the same answer (docs/explore.md). Ctrl-C ends it. Nobody else can reach it: it listens
on the loopback interface only.

  airchitect explore
  airchitect explore --workload=model.onnx --dim=batch=8 --open_browser
"""

from __future__ import annotations

import pathlib
import webbrowser

import rich.console
from absl import flags

from airchitect_jax._support import read_bytes
from airchitect_jax.experiments import runner, script
from airchitect_jax.explore import Server
from airchitect_jax.workloads import network_names

WORKLOAD = flags.DEFINE_string(
    "workload", "resnet50", "What the page begins with: a packaged network or a file."
)
DIM = flags.DEFINE_multi_string(
    "dim", [], "Size of a symbolic dimension of an ONNX model, as in --dim=batch=8."
)
PORT = flags.DEFINE_integer(
    "port", 8765, "The port; 0 for any free one.", lower_bound=0, upper_bound=65_535
)
OPEN_BROWSER = flags.DEFINE_boolean("open_browser", False, "Open the page in a browser.")


def main(console: rich.console.Console) -> None:
    """Serves until it is interrupted."""
    try:
        server = Server(PORT.value)
    except OSError as error:
        raise ValueError(f"--port: {PORT.value}: {error.strerror}; 0 takes a free one") from None
    with server:
        link = server.link(_question(server))
        runner.say(console, f"{link}\nCtrl-C ends the server")
        if OPEN_BROWSER.value:
            webbrowser.open(link)
        server.serve_forever()


def _question(server: Server) -> list[tuple[str, str]]:
    """What the link says of the workload."""
    workload = WORKLOAD.value
    dims = [("dim", text) for text in DIM.value]
    if workload in network_names():
        return [("workload", workload), *dims]
    path = pathlib.Path(workload)
    return [
        ("workload", path.name),
        ("file", server.workloads.add(path.name, read_bytes(path))),
        *dims,
    ]


if __name__ == "__main__":
    script.run(main, "the server has ended")
