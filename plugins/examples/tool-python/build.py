"""Builds the component: `python build.py` writes build/component.wasm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
WORLD = "valechat:tool/tool-plugin@0.1.0"


def contract():
    """The folder of the plugin contract: one for each WIT package."""
    told = os.environ.get("VALECHAT_WIT")
    places = [Path(told)] if told else [HERE / "wit", HERE / "../../../wit"]
    for place in places:
        if (place / "tool").is_dir():
            return place
    sys.exit("The plugin contract (the folder wit/) is not here: set VALECHAT_WIT to where it lies.")


def main():
    tool = Path(sys.executable).with_name("componentize-py" + (".exe" if os.name == "nt" else ""))
    program = str(tool) if tool.is_file() else shutil.which("componentize-py")
    if program is None:
        sys.exit("componentize-py is not installed: `pip install -r requirements.txt`, then again.")
    BUILD.mkdir(exist_ok=True)
    wit = contract()
    packages = [argument for name in ("types", "host", "tool") for argument in ("-d", wit / name)]
    # --stub-wasi: a plugin has no files, no sockets and no environment, and is refused if it asks.
    command = [program, *packages, "-w", WORLD, "componentize", "--stub-wasi", "-p", HERE, "tool"]
    done = subprocess.run([*map(str, command), "-o", str(BUILD / "component.wasm")], check=False)
    if done.returncode == 0:
        print(f"{BUILD / 'component.wasm'}: {(BUILD / 'component.wasm').stat().st_size:,} bytes")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
