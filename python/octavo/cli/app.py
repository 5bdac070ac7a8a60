"""Entry point of the `octavo` command."""

from __future__ import annotations

import sys

CLI_PACKAGES = {"typer", "click", "rich"}


def main() -> None:
    """Run the command line, or say what to install where its packages are missing."""
    try:
        from octavo.cli.root import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in CLI_PACKAGES:
            raise
        message = f'the command line needs the package "{error.name}": pip install "octavo[cli]"'
        print(f"octavo: error: {message}", file=sys.stderr)
        raise SystemExit(1) from None
    app(prog_name="octavo")
