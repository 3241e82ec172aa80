"""What a captioned data set of one's own was made from: its record.json."""

import json
from pathlib import Path
from typing import Any

RECORD = "record.json"
MADE_BY = "python -m cs231n.datasets build captions"


def read(folder: Path) -> dict[str, Any]:
    """Return the record of a folder, empty where there is none or it is none of ours."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(record, dict) and record.get("made_by") == MADE_BY
    return record if ours else {}
