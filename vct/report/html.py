"""What every page of the report shares: its template, and a policy under which nothing but the page's own runs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).with_name("templates")


@cache
def template(name: str) -> Any:
    """A template that escapes whatever is put into it and refuses unknown names."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(name)


@cache
def asset(name: str) -> str:
    """A style or script of the templates' folder."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def embedded(data: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(style: str, scripts: Sequence[str], more: str = "") -> str:
    """A content security policy under which only this page's own style, scripts and embedded images work."""
    allowed = " ".join(_hash(text) for text in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; "
        f"base-uri 'none'; form-action 'none'{'; ' if more else ''}{more}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
