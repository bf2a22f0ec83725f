"""A file of JSON that others read: they find what was there before or all of it, never a part."""

import json
import os
from typing import Any, Optional

PRIVATE = 0o600


def write_json(path: str, value: Any, indent: Optional[int] = None, mode: int = PRIVATE) -> None:
    """Replace the file. What it holds may quote what an application was given: nobody else's business, unless `mode`
    says otherwise. Raises OSError.
    """
    temporary = f"{path}.{os.getpid()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent)
    os.replace(temporary, path)
