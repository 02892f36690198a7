"""All kinds of mutations; importing this module registers them."""

from __future__ import annotations

from tests.mutation import kinds_claims, kinds_loops, kinds_system, kinds_values
from tests.mutation.edits import KINDS, Edit, edits_of

__all__ = ["KINDS", "Edit", "edits_of", "kinds_claims", "kinds_loops", "kinds_system", "kinds_values"]
