"""What the commands share: flags, errors in one line, exit codes, the check for TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import signal
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Callable, NoReturn

from absl import app, flags
from absl import logging as absl_logging

from mscn_tf import configs
from mscn_tf.configs import experiments
from mscn_tf.runtime.errors import MscnError, install, printable

if TYPE_CHECKING:
    import ml_collections

USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143
WIDTH = 100  # columns of help

QUIET = flags.DEFINE_bool(
    "quiet",
    False,
    "say nothing but errors: no summary, no notes, no bars; default no",
    short_name="q",
)


def run(
    main: Callable[[list[str]], None],
    flag_errors: tuple[type[Exception], ...] = (),
    parsing: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> NoReturn:
    """Runs a command whose flags are absl's, and exits.

    The docstring of `main`'s module and the flags it defines are what `--help` shows.

    Args:
      main: gets the program's name and the arguments that are no flags.
      flag_errors: what else than `flags.Error` the command's flags raise on wrong values.
      parsing: what the flags are read in.

    Exits with 0; with 2 and one line on stderr for a `MscnError`, a wrong flag, or where the system
    has no more of something; with 130 after Ctrl-C, with 143 after SIGTERM.
    """

    def parse(argv: list[str]) -> list[str]:
        with parsing():
            try:
                return _parse(argv, main.__module__)
            except flags.Error as error:
                raise MscnError(f"{error}; see {program()} --help") from error
            except flag_errors as error:
                raise MscnError(f"a flag is wrong: {error}; see {program()} --help") from error

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries: nothing that a user can mend
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where who started the program closed it
            stream.reconfigure(errors="backslashreplace")
    with errors_in_one_line():
        signal.signal(signal.SIGTERM, _terminate)
        try:
            # Not `app.run`: within it, a module of TensorFlow's looks for devices while that is
            # imported, before it is eager; in graphs == would then compare tensors' identity.
            app.define_help_flags()
            absl_logging.use_absl_handler()
            main(parse(sys.argv))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a full disk is one line
    sys.exit(0)


def run_configured(main: Callable[[list[str]], None]) -> NoReturn:
    """`run` for a command with the flag --config, which needs TensorFlow."""
    with errors_in_one_line():
        require_tensorflow()
        with importing_tensorflow():
            from ml_collections import config_flags
        config_flags.DEFINE_config_file(
            "config", None, "configuration: a Python file, or the name of one that comes with mscn"
        )
    sys.argv = [_with_file_of_config(argument) for argument in sys.argv]
    # What a file that can't be read and a field that isn't there raise; the file may itself import
    # TensorFlow.
    errors = (AttributeError, KeyError, OSError, TypeError, ValueError)
    run(main, errors, importing_tensorflow)


def _with_file_of_config(argument: str) -> str:
    """`--config=photo` as `--config=FILE`, where there is no such file but such a configuration."""
    flag, _, value = argument.partition("=")
    name, colon, rest = value.partition(":")
    if flag not in ("-config", "--config") or os.path.exists(name):
        return argument
    for folder in (configs.__path__[0], experiments.__path__[0]):
        path = os.path.join(folder, f"{name}.py")
        if name.isidentifier() and os.path.isfile(path):
            return f"{flag}={path}{colon}{rest}"
    return argument


def configuration(workdir: str | None) -> ml_collections.ConfigDict:
    """What the flag --config says; makes the folder that the flag --workdir names.

    Raises:
      MscnError: either is missing, or the file or folder can't be had.
    """
    config = flags.FLAGS["config"]
    if config.value is None:
        raise MscnError(
            "give a configuration: --config=FILE.py, or the name of one: --config=photo"
        )
    path = config.config_filename.partition(":")[0]
    if not os.path.isfile(path):  # the flag's own error waits for the first use of a field
        names = sorted(
            file[:-3]
            for folder in (*configs.__path__, *experiments.__path__)
            for file in os.listdir(folder)
            if file.endswith(".py") and not file.startswith("_")
        )
        raise MscnError(
            f"cannot read {path}: no such file, nor one of {', '.join(names)}; check --config"
        )
    if workdir is None:
        raise MscnError("give a folder for checkpoints: --workdir=DIR")
    try:
        os.makedirs(workdir, exist_ok=True)
    except OSError as error:
        raise MscnError(f"cannot make {workdir}: {error.strerror}; check --workdir") from error
    return config.value


class _Terminated(KeyboardInterrupt):
    """SIGTERM: like Ctrl-C it unwinds, so that temporary files go."""


def _terminate(*_: object) -> NoReturn:
    raise _Terminated


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turns errors that a user can mend into a line on stderr and an exit code."""
    try:
        yield
    except MscnError as error:
        fail(str(error))
    except _Terminated:
        print(f"{program()}: terminated", file=sys.stderr)
        sys.exit(TERMINATED)
    except KeyboardInterrupt:
        print(f"{program()}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        _close_stdout()
        sys.exit(1)
    except OSError as error:
        _close_stdout()
        name = f"{error.filename}: " if error.filename else ""
        fail(f"{name}{error.strerror or error}; check disk space, rights and open files")
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        fail(f"not enough memory{reason}; take a region, a smaller size, or fewer signals at once")


def _close_stdout() -> None:
    """Keeps Python from trying again, at its end, to write what could not be written."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(message: str) -> NoReturn:
    """Prints one line on stderr and exits with 2."""
    print(printable(f"{program()}: {' '.join(message.split())}"), file=sys.stderr)
    sys.exit(USER_ERROR)


def note(line: str) -> None:
    """Says on stderr, in one line, what a user should know and nothing stopped."""
    if not QUIET.value:
        print(printable(f"{program()}: {' '.join(line.split())}"), file=sys.stderr)


def tell(line: str, aside: bool = False) -> None:
    """Says what was done: on stdout, or, where that carries data, aside on stderr."""
    if not QUIET.value:
        print(printable(line), file=sys.stderr if aside else sys.stdout)


def shows_progress() -> bool:
    """Whether there is a terminal to draw bars on, and they are wanted."""
    return sys.stderr is not None and sys.stderr.isatty() and not QUIET.value


def program() -> str:
    """What the user typed to get here: "mscn encode"."""
    return os.path.basename(sys.argv[0])


def positional(argv: list[str], *names: str) -> list[str]:
    """The arguments after the program's name; as many as `names`.

    Raises:
      MscnError: too few or too many, or one of no letters.
    """
    given = argv[1:]
    if "" in given:
        raise MscnError(f"an argument is empty; give a path, and see {program()} --help")
    if len(given) != len(names):
        wanted = " and ".join(names) or "no arguments"
        raise MscnError(f"takes {wanted}, got {len(given)} arguments; see {program()} --help")
    return given


def check_writable(path: str) -> None:
    """Finds out before the work whether a file could be written.

    Raises:
      MscnError: the folder is missing or not writable, or `path` is a folder.
    """
    if os.path.isdir(path):
        raise MscnError(f"cannot write {path}: it is a folder; give a file name")
    if os.path.exists(path) and not os.path.isfile(path):
        return  # a device or a pipe
    try:
        target = os.path.realpath(path)
        if os.path.islink(target):
            raise MscnError(f"cannot write {path}: its links lead round; give another name")
        with tempfile.TemporaryFile(dir=os.path.dirname(target)):
            pass
    except MscnError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise MscnError(f"cannot write {path}: {reason}; check the folder") from error


def require_tensorflow() -> None:
    """Finds out, without importing it, whether TensorFlow is installed.

    Raises:
      MscnError: it isn't.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MscnError(_needs("TensorFlow"))


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Silences TensorFlow's start-up messages while the block imports it.

    TensorFlow 2.16 and newer write some before they look at their own variable, so stderr is held
    back, by Python and by others, unless the variable asks for everything.

    Raises:
      MscnError: a part of the `train` extra is not installed.
    """
    wanted = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0"
    if not wanted:  # saving a checkpoint logs how long parts of it took
        logging.getLogger("absl").addFilter(_is_worth_a_line)
    try:
        with contextlib.nullcontext() if wanted else _stderr_held_back():
            yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "mscn_tf":
            raise
        raise MscnError(_needs(error.name)) from error


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a line is a warning, or not one of TensorFlow's own."""
    return record.levelno >= logging.WARNING or f"{os.sep}tensorflow{os.sep}" not in record.pathname


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Nothing that the block writes to stderr is seen, unless it fails for want of no module."""
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:
            if not isinstance(error, (MscnError, ModuleNotFoundError)):
                sys.stderr.flush()
                held.seek(0)
                os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def _needs(package: str) -> str:
    return f"needs {package}: {install('train')}, with Python 3.9 to 3.13"


def _parse(argv: list[str], module: str) -> list[str]:
    """Parses flags, which may stand anywhere; returns what is left."""
    before_dashes = argv[: argv.index("--")] if "--" in argv else argv
    if {"-h", "-help", "--help"}.intersection(before_dashes):
        print(_help(module))
        sys.exit(0)
    flags.FLAGS.set_gnu_getopt(True)
    return flags.FLAGS(argv)


def _help(module: str) -> str:
    # absl files the flags of a module that was started by itself under the program's name.
    owner = sys.argv[0] if module == "__main__" else module
    defined = [*flags.FLAGS.get_key_flags_for_module(owner), flags.FLAGS[QUIET.name]]
    names = [_spelling(flag) for flag in defined]
    indent = max(map(len, names)) + 4
    lines = [
        textwrap.fill(
            flag.help,
            WIDTH,
            initial_indent=f"  {name}".ljust(indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        for name, flag in zip(names, defined)
    ]
    text = (sys.modules[module].__doc__ or "").strip()
    return "\n".join([text, "", "Flags:", *lines])


def _spelling(flag: flags.Flag) -> str:
    """As it is typed: "--[no]measure", "-q, --quiet"."""
    short = f"-{flag.short_name}, " if flag.short_name else ""
    turned = "[no]" if flag.boolean and flag.default else ""
    return f"{short}--{turned}{flag.name}"
