"""What all pages of a grading share."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from staff.grading.scores import shown
from staff.report.page import environment

_HERE = Path(__file__).parent


def page(template: str, scripts: Sequence[str] = (), **facts: Any) -> str:
    """Return a page as one HTML document.

    Args:
        template: Its template, in this folder.
        scripts: What makes it handier, in this folder; everything can be read without.
        **facts: What the template shows.
    """
    code = "\n".join((_HERE / name).read_text("utf-8") for name in scripts)
    templates = environment(_HERE)
    templates.filters |= {"points": shown, "anchor": anchor, "sentence": sentence}
    return templates.get_template(template).render(
        script=Markup(code), policy=_policy(code), **facts
    )


def anchor(text: str) -> str:
    """Return a text as a name within a page."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def sentence(text: str) -> Markup:
    """Return a sentence as markup, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def _policy(script: str) -> str:
    """Return what the browser may do: nothing but this page's own script and pictures.

    Should a text of a student's ever become markup, it could load and run nothing.
    """
    seen = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    scripts = f"'sha256-{seen}'" if script else "'none'"
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {scripts}; form-action 'none'; base-uri 'none'"
    )
