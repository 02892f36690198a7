"""The keys of `source:`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stratagem.hwmodels.schema.base import Date, Record, Share
from stratagem.hwmodels.trust import KINDS


class SourceEntry(Record):
    """Where the numbers of a file come from, unless a value says otherwise."""

    kind: Literal["measured", "datasheet", "paper", "simulated", "assumed", "projected"]
    id: str = Field("", description="document, DOI, arXiv number or web address")
    note: str = Field("", description="remarks for the reader")
    retrieved: Date = Field("", description="date the document was read, YYYY-MM-DD; a datasheet needs it")
    spread: Share | None = Field(None, description="how far numbers may be off")
    status: Literal["draft", "reviewed", "placeholder"] = Field(
        "draft", description="reviewed: compared with a second source; placeholder: numbers of another device"
    )
    reviewed: Date = Field("", description="date of the review")


assert set(KINDS) == set(SourceEntry.model_fields["kind"].annotation.__args__)  # type: ignore[union-attr]
