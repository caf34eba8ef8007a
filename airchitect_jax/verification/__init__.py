"""An independent check of certificates of best machines.

Costs and bounds are written again from their definitions (docs/certificates.md), as plainly as
possible. Nothing here imports the cost model, the spaces or the search.
"""

from airchitect_jax.verification.certificate import (
    Certificate,
    parse_certificate,
    read_certificate,
)
from airchitect_jax.verification.check import Verified, verify

__all__ = [
    "Certificate",
    "Verified",
    "parse_certificate",
    "read_certificate",
    "verify",
]
