"""The pictures of docs/screenshots, made in real Chromium: `python -m tests.monitoring.screenshots FOLDER`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.monitoring.scenes import empty, healthy, troubled
from tests.support.databases import build_templates

if TYPE_CHECKING:
    from collections.abc import Sequence

SCENES = {"empty": empty, "healthy": healthy, "troubled": troubled}
KEPT = (("healthy", "light", 1280), ("troubled", "dark", 1280), ("troubled", "light", 400), ("empty", "dark", 400))
# No network but the page; the rest keeps it from asking its maker's hosts at every start.
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--disable-lcd-text",
)
_HEIGHTS = {"empty": (500, 800), "healthy": (940, 1290), "troubled": (1320, 1660)}  # at 1280 and at 400 pixels


def chromium(*arguments: str, profile: Path, dark: bool = False) -> str:
    """Run it once; what it prints."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is not installed"
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    command = [program, *_FLAGS, *theme, f"--user-data-dir={profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def take(url: str, target: Path, *, width: int, height: int, dark: bool) -> None:
    """A picture of the page."""
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={width},{height}"
        chromium(f"--screenshot={target}", size, url, profile=Path(profile), dark=dark)


def main(folder: Path, only: Sequence[tuple[str, str, int]] = KEPT) -> None:
    """Make these pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.gettempdir()) / "walrus"  # the pictures show it
    scratch.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch)
        database = build_templates(scratch / "templates")["killed"].folder
        for name, scene in SCENES.items():
            wanted = [(theme, width) for scene_name, theme, width in only if scene_name == name]
            place = scratch / name
            place.mkdir()
            if not wanted:
                continue
            with scene(place, database) as shown:
                for theme, width in wanted:
                    target = folder / f"{name}-{theme}-{width}.png"
                    height = _HEIGHTS[name][width < 640]
                    take(shown.url, target, width=width, height=height, dark=theme == "dark")
                    if packer := shutil.which("optipng"):  # the browser packs for speed
                        subprocess.run([packer, "-quiet", target], check=True)
                    print(target)


if __name__ == "__main__":
    chosen: Sequence[tuple[str, str, int]] = KEPT
    if sys.argv[2:] == ["--all"]:
        chosen = tuple(
            (scene, theme, width) for scene in SCENES for theme in ("light", "dark") for width in (1280, 400)
        )
    main(Path(sys.argv[1]), chosen)
