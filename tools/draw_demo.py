"""Draw the README's picture: the first part of what `memoledger demo` prints, as an SVG.

python tools/draw_demo.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "demo.svg"
LINES = 44
WIDTH = 100


def main() -> None:
    """Run the demo and draw it."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-m", "memoledger", "demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = "\n".join(done.stdout.splitlines()[:LINES])
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    drawn = console.export_svg(title="make demo")
    # Without fonts from elsewhere: the reader's own monospaced one will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(drawn.replace("Fira Code, monospace", "monospace"), "utf-8")


if __name__ == "__main__":
    main()
