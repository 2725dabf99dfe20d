"""The command line. Commands import what they need when they run, so that `octavo --help` is immediate."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from contextlib import suppress
from inspect import signature
from typing import Annotated, TextIO

import typer

from octavo.cli.commands.compare import compare
from octavo.cli.commands.demo import demo
from octavo.cli.commands.diagnose import diagnose
from octavo.cli.commands.doctor import doctor
from octavo.cli.commands.export import export
from octavo.cli.commands.fit import fit
from octavo.cli.commands.inspect import inspect
from octavo.cli.commands.ops import ops
from octavo.cli.commands.quantize import quantize
from octavo.cli.commands.report import report
from octavo.cli.commands.search import search
from octavo.cli.commands.train import train
from octavo.cli.commands.tutorial import tutorial
from octavo.cli.commands.verify import verify
from octavo.cli.exit_codes import BAD_INPUT, CHECK_SAID_NO, DONE, INTERRUPTED, OUR_BUG
from octavo.cli.output import CALLED_WITH, print_json_error
from octavo.config import unknown_name
from octavo.errors import ConfigError, OctavoError, VerificationError
from octavo.version import VERSION

app = typer.Typer(
    help="Fold a Keras network into eight bits, see what that cost, and get something a microcontroller can run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def help_of(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="COMMAND", help="One of the commands.")] = None,
) -> None:
    """Show what a command does and takes; of octavo itself if none is named."""
    assert context.parent is not None
    if name is None:
        print(context.parent.get_help())
        return
    known = {command.__name__: command for command in COMMANDS}
    if name not in known:
        raise unknown_name("command", name, tuple(known))
    app([name, "--help"], prog_name="octavo", standalone_mode=False)


# In the order of `octavo --help`.
COMMANDS = (
    demo,
    tutorial,
    quantize,
    compare,
    diagnose,
    report,
    search,
    train,
    inspect,
    fit,
    export,
    verify,
    ops,
    doctor,
)
for command in COMMANDS:
    app.command()(command)
app.command("help")(help_of)


def show_version(wanted: bool) -> None:
    """Print the version and end, if it is asked for."""
    if wanted:
        print(f"octavo {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if arguments is None else arguments
    code = _run(arguments)
    if code == INTERRUPTED:
        _say("Interrupted; files that were not finished are gone.")
    code = _flushed(code)
    _flush_errors()
    sys.exit(code)


def _flushed(code: int) -> int:
    """The exit code once all output is out; where standard output takes none, that is said in one line."""
    if sys.stdout is None:
        return code
    try:
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` for one, has what it wanted
        _give_up(sys.stdout)
        return code
    except OSError as error:
        _give_up(sys.stdout)
        return _no_output(error)


def _flush_errors() -> None:
    """Leave nothing on standard error that Python would fail to write as it ends, with an exit code of its own."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what a stream still holds, and all that comes, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(line: str) -> None:
    """Print a line on standard error, if that takes one; the exit code tells as much."""
    with suppress(OSError):
        print(line, file=sys.stderr)


def _no_output(error: OSError) -> int:
    _say(f"Standard output cannot be written to: {error.strerror or error}.")
    return BAD_INPUT


def _run(arguments: list[str]) -> int:
    """Run a command and translate what it raises, and what telling of that raises, into an exit code."""
    CALLED_WITH.set(tuple(arguments))
    try:
        return _told(arguments)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EBADF, errno.EIO) and error.filename is None:
            return _no_output(error)
        return _our_bug()
    except Exception:
        return _our_bug()


def _told(arguments: list[str]) -> int:
    """Run a command and tell of what it raises on purpose, or for want of memory or of patience."""
    try:
        app(arguments, prog_name="octavo", standalone_mode=True)
        return DONE
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # told by Typer as an error, see `_flushed`
            return DONE
        if end.code == BAD_INPUT and "--json" in arguments:
            print_json_error(_misunderstood(arguments))
        return end.code if isinstance(end.code, int) else DONE
    except OctavoError as error:
        return INTERRUPTED if _was_interrupted() else _failed(error, arguments)
    except MemoryError as error:
        return _failed(_out_of_memory(error), arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ImportError as error:
        if "failed to map segment" not in str(error):
            raise
        return _failed(_out_of_memory(error), arguments)


def _was_interrupted() -> bool:
    """Whether the exception at hand is what code made of an interrupt: raised in its place, or telling of it."""
    return "KeyboardInterrupt" in traceback.format_exc()


def _our_bug() -> int:
    if _was_interrupted():
        return INTERRUPTED
    _say(
        f"{traceback.format_exc()}This is a bug in Octavo, not in what you did. Please report it with the lines above."
    )
    return OUR_BUG


def _failed(error: OctavoError, arguments: list[str]) -> int:
    from octavo.report.terminal import console, print_error, print_lines

    if "--json" in arguments:
        print_json_error(error)
    screen = console(stderr=True)
    print_error(screen, error)
    if options := _options_named(error.fix, arguments):
        print_lines(screen, [f"On the command line: {', '.join(options)}."])
    return CHECK_SAID_NO if isinstance(error, VerificationError) else BAD_INPUT


def _options_named(fix: str, arguments: list[str]) -> list[str]:
    """The options of the command called that stand for what a fix calls `name=`, as in Python."""
    called = [command for command in COMMANDS if command.__name__ in arguments[:1]]
    known = {name for command in called for name in signature(command).parameters}
    return [f"--{name.replace('_', '-')}" for name in re.findall(r"\b(\w+)=", fix) if name in known]


def _misunderstood(arguments: list[str]) -> OctavoError:
    """What Typer has told on standard error, for a reader of standard output."""
    return ConfigError(
        "the command line cannot be understood.",
        got=" ".join(["octavo", *arguments]),
        expected="a command with its options",
        fix="see standard error, or octavo --help",
    )


def _out_of_memory(error: MemoryError | ImportError) -> OctavoError:
    return OctavoError(
        "there is not enough memory.",
        got=str(error) or "an allocation that failed",
        expected="room for the model and the data",
        fix="use fewer samples: --samples 100; or raise `ulimit -v`, if it is set",
    )
