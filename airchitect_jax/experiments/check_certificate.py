"""Check the certificate of a best machine (docs/certificates.md).

All costs and bounds are computed again by code that shares nothing with the search. Prints what is
proven; the first claim that does not hold ends the check with one line and status 1.

  airchitect check_certificate runs/optimize/certificate.json
"""

from __future__ import annotations

import pathlib
import sys

import rich.console
from absl import flags

from airchitect_jax._support import one_line
from airchitect_jax._support.progress import LateProgress
from airchitect_jax.experiments import script
from airchitect_jax.verification import read_certificate, verify

CERTIFICATE = flags.DEFINE_string("certificate", None, "The file; may be given without the flag.")


def main(console: rich.console.Console) -> None:
    """Reads, checks, prints."""
    if CERTIFICATE.value is None:
        raise ValueError("certificate: no file is given")
    try:
        given = read_certificate(pathlib.Path(CERTIFICATE.value))
        with LateProgress(console, "checking", "line") as progress:
            found = verify(given, lambda done, total: progress("lines", done, total))
    except ValueError as error:
        print(f"refused: {one_line(str(error))}", file=sys.stderr)
        sys.exit(1)
    text = (
        f"{given.question}\nverified: {found.claim}\n"
        f"{found.num_boxes:,} boxes, {found.num_lines:,} lines, {found.seconds:.1f} s"
    )
    console.print(text, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    script.run(main, "give the same command again", argument="certificate")
