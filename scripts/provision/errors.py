"""The one kind of error that set-up reports to its user."""


class SetupError(Exception):
    """Something that the user has to know: the message names the thing and the remedy."""
