"""A page read back by an HTML parser: its tags, script, data, and every address that it would load."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

LOADING = ("src", "href", "srcset", "action", "poster", "data", "formaction", "background")


@dataclass
class Parts:
    """What stands in a page. `addresses` leaves out data within the page itself."""

    tags: list[str] = field(default_factory=list)
    title: str = ""
    script: str = ""
    data: str = ""
    policy: str = ""
    style: str = ""
    addresses: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts, self.inside = Parts(), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.parts.tags.append(tag)
        self.inside = "data" if tag == "script" and given.get("id") == "data" else tag
        self.parts.addresses += [given[n] for n in LOADING if n in given and not given[n].startswith("data:,")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.parts.policy = given["content"]

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("title", "script", "data", "style"):
            setattr(self.parts, self.inside, getattr(self.parts, self.inside) + data)


def parts_of(text: str) -> Parts:
    """Reads a page; what styles and scripts would fetch counts as addresses, too."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    parts = reader.parts
    for word in ("url(", "@import", "fetch(", "XMLHttpRequest", "WebSocket", "importScripts"):
        parts.addresses += [word] if word in parts.style + parts.script else []
    return parts
