"""The nearest name to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question naming the most similar known word, or empty when none is similar."""
    spelled = {name.lower().replace("_", "-"): name for name in known}
    close = get_close_matches(word.lower().replace("_", "-"), list(spelled), n=1, cutoff=0.6)
    return f"did you mean '{spelled[close[0]]}'?" if close else ""
