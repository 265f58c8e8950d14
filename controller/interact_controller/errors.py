# ruff: noqa: N818  # they are named for what happened; not all of them are errors
"""The errors the controller raises on purpose.

ControllerError
├── Stalled              a person must change the specification
├── Waiting              look again after some seconds
├── ClusterError         the API server refused
│   ├── Conflict         the object changed meanwhile (409)
│   ├── Refused          the request is wrong or forbidden (4xx)
│   └── ClusterUnreachable
└── BrokerError          NATS refused
    ├── OverBudget       its store has no room for the streams asked for
    ├── StreamRefused    a stream cannot be made or changed
    └── BrokerUnreachable
"""

from interact_api.conditions import Reason


class ControllerError(Exception):
    """Base of every error the controller raises on purpose."""


class Stalled(ControllerError):
    """The pipeline cannot proceed until a person changes it; do not retry."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class Waiting(ControllerError):
    """Nothing to do now; look again after some seconds."""

    def __init__(self, reason: Reason, message: str, *, after: float) -> None:
        self.reason = reason
        self.after = after
        super().__init__(message)


class ClusterError(ControllerError):
    """The API server did not do what was asked; ``status`` is its HTTP status, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class Conflict(ClusterError):
    """The object changed since it was read."""


class Refused(ClusterError):
    """The request is wrong, forbidden, or about something that is not there."""


class ClusterUnreachable(ClusterError):
    """No API server answers in time."""


class BrokerError(ControllerError):
    """NATS did not do what was asked."""


class OverBudget(BrokerError):
    """The server's store has no room for the bytes asked for."""


class StreamRefused(BrokerError):
    """A stream or consumer cannot be made or changed like that."""


class BrokerUnreachable(BrokerError):
    """No NATS server answers in time."""
