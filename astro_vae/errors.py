"""Errors that a user can mend; the command line prints them as one message, without a traceback."""


class UserError(Exception):
    """Name the file or object, what was found, and the remedy."""
