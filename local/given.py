"""What a person gives a program in a variable of the Makefile, `DO="share crons"` say.

Make exports it as it was typed. In a recipe it would be read by make and by the shell first, and run where it says so.
"""

from __future__ import annotations

import os
import shlex


def words(variable: str) -> list[str]:
    """Return the words of a variable, as a shell would part them; raise ValueError where a quote is left open."""
    return shlex.split(os.environ.get(variable, ""))
