"""The one kind of error that set-up and packing report to their user, and how."""

from __future__ import annotations

import sys
from collections.abc import Callable


class SetupError(Exception):
    """Something that the user has to know: the message names the thing and the remedy."""


def exit_code(work: Callable[[], None]) -> int:
    """0, or 1 when the work has failed, and why on stderr."""
    try:
        work()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
