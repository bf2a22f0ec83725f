"""`python -m dashboards`: write the JSON of every dashboard (needs `pip install '.[dev]'`)."""

from __future__ import annotations

from pathlib import Path

from dashboards.boards import ALL

FOLDER = Path(__file__).parents[1] / "src" / "daybreak" / "services" / "watching" / "dashboards"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in ALL:
        (FOLDER / f"{board.uid}.json").write_text(board.text())


if __name__ == "__main__":
    main()
