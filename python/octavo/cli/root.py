"""The root command: assembles the commands, and turns every error into one line and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import octavo
from octavo.cli import analyze, bench, calibrate, compile, demo, eval, info, inspect, quantize, run

# Which extra brings the packages that commands need.
EXTRAS = {"onnx": '"octavo[cli]"', "sklearn": '"octavo[demo]"', "PIL": "pillow"}

INTERRUPTED = 130


def explain(error: BaseException) -> str:
    """Return one line that says what was wrong."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"this needs the package {package}: pip install {EXTRAS.get(package, package)}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    # An OctavoError, ValueError or OSError was raised to be read; others name themselves.
    if text and isinstance(error, (octavo.errors.OctavoError, ValueError, OSError, ImportError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class OneLineErrors(TyperGroup):
    """Exits with 0 or 1 alone, and without a traceback unless it was asked for.

    ``--debug`` is accepted anywhere on the line; OCTAVO_DEBUG=1 does the same.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line and exit."""
        arguments = list(sys.argv[1:] if args is None else args)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        debug = "--debug" in arguments[:end] or os.environ.get("OCTAVO_DEBUG", "0") not in ("", "0")
        arguments = [a for a in arguments[:end] if a != "--debug"] + arguments[end:]
        try:
            status = super().main(
                arguments, prog_name, complete_var, False, windows_expand_args, **extra
            )
        except (KeyboardInterrupt, typer.Abort):
            fail("interrupted")
        except Exception as error:
            usage = getattr(error, "format_message", None)  # a wrong command line
            if usage is None and debug:
                raise
            fail(usage_line(error) if usage is not None else explain(error))
        if status == INTERRUPTED:  # newer versions of typer do not raise KeyboardInterrupt again
            fail("interrupted")
        sys.exit(1 if isinstance(status, int) and status != 0 else 0)


def usage_line(error: Any) -> str:
    """Return one line for a wrong command line, with the command whose help explains it."""
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).removesuffix(".")
    return f"{message}. See '{context.command_path} --help'." if context else message


def fail(message: str) -> None:
    """Print the error line and exit with 1."""
    print(f"octavo: error: {message}", file=sys.stderr)
    sys.exit(1)


def print_version(wanted: bool) -> None:
    """Print the version and stop, if wanted."""
    if wanted:
        print(octavo.__version__)
        raise typer.Exit


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Quantize ONNX networks to int8 and run them on CPUs, exactly the same on every one.",
    epilog="Example: octavo quantize net.onnx --calib images.npz -o net_int8.onnx",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=print_version,
            is_eager=True,
            help="Print the version and exit. Example: octavo --version",
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show the traceback of an error; accepted anywhere on the line, and as "
            "OCTAVO_DEBUG=1. Example: octavo --debug inspect net.onnx",
        ),
    ] = False,
) -> None:
    """Print the help where no command is given."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for module in (calibrate, quantize, compile, analyze, run, eval, bench, inspect, info, demo):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=f"Example: {module.EXAMPLE}")(module.command)
