"""Every error that Hopsight raises on purpose.

The tree::

    HopsightError
    ├── ConfigError             a setting is wrong: names it and says what is accepted
    ├── InvalidValueError       a value in a request or record is wrong: same
    ├── NotFoundError           no such thing, or none that the asker may know of
    ├── ConflictError           the thing exists already
    ├── AuthenticationError     credentials missing or wrong
    ├── PermissionDeniedError   the role may not do this
    ├── StoreUnavailableError   the store cannot take or give records now; try again later
    ├── ErasedError             the agent's data was erased: nothing more of it is taken
    ├── UploadError             an upload did not go through; ``permanent`` tells whether to try again
    └── ProbeUnavailableError   a way of measuring is not to be had on this machine; says how to get it

None of them knows HTTP: ``server.api.errors`` maps them to answers.
"""


class HopsightError(Exception):
    """The root of all our errors; its text is fit to be shown to a person."""


class InvalidValueError(HopsightError):
    """A value in a request or a record is wrong.

    Args:
        name: the parameter, key or field.
        value: what was given (shortened in the message).
        accepted: what would have been right, as a phrase.
    """

    def __init__(self, name: str, value: object, accepted: str) -> None:
        self.name = name
        self.value = value
        self.accepted = accepted
        shown = str(value)
        if len(shown) > _SHOWN_CHARS:
            shown = shown[:_SHOWN_CHARS] + "..."
        super().__init__(f"Invalid {name}: {shown!r}; accepted: {accepted}")


class ConfigError(InvalidValueError):
    """A setting is wrong; found at start, before anything runs."""


class NotFoundError(HopsightError):
    """No such thing, or none that the asker may know of."""


class ConflictError(HopsightError):
    """The thing exists already, or is in a state that does not allow this."""


class AuthenticationError(HopsightError):
    """Credentials are missing or wrong."""


class PermissionDeniedError(HopsightError):
    """The role may not do this."""


class StoreUnavailableError(HopsightError):
    """The store cannot take or give records now (busy, disk full, closed); nothing was acknowledged."""


class ErasedError(HopsightError):
    """The data of the agent was erased on demand, and nothing more of it is taken."""


class UploadError(HopsightError):
    """An upload did not go through.

    Args:
        message: what happened.
        permanent: True when sending the same again cannot help.
        retry_after_s: how long the server asked to wait, if it did.
        status: what the server answered with; None: nothing that could be understood.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.status = status
        super().__init__(message)


class ProbeUnavailableError(HopsightError):
    """A way of measuring is not to be had on this machine; the text says how to get it."""


_SHOWN_CHARS = 200
