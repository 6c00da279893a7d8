"""usage: mscn completion bash|zsh|fish

Prints what makes a shell complete commands, flags and files.

Examples:
  source <(mscn completion bash)      # in ~/.bashrc
  source <(mscn completion zsh)       # in ~/.zshrc
  mscn completion fish | source       # in ~/.config/fish/config.fish
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from mscn_tf.apps import cli
from mscn_tf.apps.main import COMMANDS
from mscn_tf.runtime.errors import MscnError

_BASH = """\
_mscn() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  elif [ "${{word#-}}" != "$word" ]; then
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _mscn mscn
"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"


def main(argv: list[str]) -> None:
    """The command: prints the script."""
    (shell,) = cli.positional(argv, "bash, zsh or fish")
    if shell not in _SHELLS:
        raise MscnError(f"no completion for {shell}; there are {', '.join(_SHELLS)}")
    print(_SHELLS[shell]({command: _flags(command) for command in COMMANDS}), end="")


def _flags(command: str) -> list[str]:
    """Flags of a command, as its source defines them.

    Two commands have flags of one name, so that one process can't import both.
    """
    words = []
    for module in (command.replace("-", "_"), "cli"):
        source = Path(__file__).with_name(f"{module}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("flags.DEFINE_"):
                words.append(ast.literal_eval(node.args[0]))
    return [*dict.fromkeys(words), "help"]


def _bash(flags: dict[str, Sequence[str]]) -> str:
    cases = [
        f'      {command}) words="{" ".join(f"--{name}" for name in names)}" ;;'
        for command, names in flags.items()
    ]
    return _BASH.format(commands=" ".join([*flags, "help"]), cases="\n".join(cases))


def _fish(flags: dict[str, Sequence[str]]) -> str:
    lines = []
    for command, names in flags.items():
        lines.append(
            f"complete -c mscn -n __fish_use_subcommand -f -a {command} -d '{COMMANDS[command]}'"
        )
        seen = f"'__fish_seen_subcommand_from {command}'"
        lines += [f"complete -c mscn -n {seen} -l {name}" for name in names]
    return "\n".join(lines) + "\n"


_SHELLS = {"bash": _bash, "zsh": lambda flags: _ZSH + _bash(flags), "fish": _fish}


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
