"""`completion`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

_PROGRAMS = ("walrus-fast", "walrus-node")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that teaches a shell to complete both names of this program.

    bash: `walrus-fast completion bash > /etc/bash_completion.d/walrus-fast`. zsh: source it in .zshrc. fish: write it
    to ~/.config/fish/completions/walrus-fast.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three that may be chosen"
    for program in _PROGRAMS:
        # The variable's name is how click's `main` tells, from the program's name, that a shell is asking.
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        template = kind(ctx.find_root().command, {}, program, variable)
        click.echo(template.source_template % template.source_vars())
