"""The programs of Ray's interpreter find their neighbours as programs do: their folder is on the search path."""

from __future__ import annotations

import sys
from pathlib import Path

import daybreak

sys.path.append(str(Path(daybreak.__file__).parent / "rayside"))
