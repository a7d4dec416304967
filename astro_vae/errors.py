"""Errors that a user can mend; the command line prints them as one message, without a traceback."""


class UserError(Exception):
    """Name the file or object, what was found, and the remedy."""


class RefusedError(Exception):
    """Say why one object cannot be used; its row in the table keeps the reason, and the step goes on."""
