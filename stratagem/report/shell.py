"""One self-contained page from plain data: style, script and data in one file.

What models and files name goes into the page as JSON only, and from there as text, so that no name can be markup.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stratagem.runtime.version import VERSION

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("dom", "axes", "time", "roofline", "timeline", "whatif", "levels", "machine", "program", "sweep", "main")
"""Files under `page/`, each before those that use it."""


def page(title: str, data: Mapping[str, Any]) -> str:
    """The page that `data["kind"]` names, "program" or "sweep"; raises ValueError for numbers that JSON cannot hold."""
    parts = {
        "title": html.escape(title),
        "style": _part("style.css"),
        "script": "\n".join(_part(f"{name}.js") for name in SCRIPTS),
        "data": json_in_page(data),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _part("shell.html"))


def json_in_page(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in (HTML, 4.12.1.3)."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def stamp() -> dict[str, str]:
    """Who made a page and when, in UTC."""
    return {"producer": f"stratagem {VERSION}", "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8").rstrip()
