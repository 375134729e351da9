"""The one kind of error that is shown to a person without a traceback."""


class UserError(ValueError):
    """Something a person can put right. The message is one sentence: what is wrong, and what to do."""
