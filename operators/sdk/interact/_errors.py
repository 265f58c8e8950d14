"""Errors the SDK raises on purpose.

InteractError
├── OperatorError       an operator's code or specification is wrong; found at import
├── BatchError          a batch does not hold together, or a kernel returned something else
├── InputError          what an operator was given (a file, a parameter) cannot be used
├── TransientError      raise it in a kernel: try this message again later
│   └── TimedOut        an asynchronous kernel did not end in time
├── BrokerError         NATS refused, or did not answer in time
│   ├── NobodyListens   a question was asked where nobody is to hear it
│   └── TooLarge        one message exceeds what the server takes
└── SettingsError       the process was started with settings that do not fit together
"""


class InteractError(Exception):
    """Base of every error the SDK raises on purpose."""


class OperatorError(InteractError):
    """An operator's code or its specification is wrong; names the operator and the argument."""


class BatchError(InteractError):
    """A batch does not hold together: names what was expected and what came."""


class InputError(InteractError):
    """What an operator was given cannot be used; trying again will not help."""


class TransientError(InteractError):
    """Raise it in a kernel when the same message may succeed later."""

    kind = "transient"
    """What a dead letter calls it in the end."""


class TimedOut(TransientError):  # noqa: N818  # says what is wrong, as KeyError does not
    """An asynchronous kernel did not end in time."""

    kind = "timeout"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"kernel did not end within {seconds:g} s (kernelTimeout)")


class BrokerError(InteractError):
    """NATS refused a request, or did not answer in time."""


class NobodyListens(BrokerError):  # noqa: N818  # says what is wrong, as KeyError does not
    """A question was asked where nobody is to hear it; asking again may help."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(f"nobody listens at {subject}")


class TooLarge(BrokerError):  # noqa: N818  # says what is wrong, as KeyError does not
    """One message exceeds what the server takes."""

    def __init__(
        self,
        size: int,
        limit: int,
        remedy: str = "use smaller batches, or raise max_payload of nats-server",
    ) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"a message has {size} bytes and there is room for {limit}; {remedy}")


class SettingsError(InteractError):
    """The process was started with settings that do not fit together."""
