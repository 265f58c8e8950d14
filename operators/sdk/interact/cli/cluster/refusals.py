"""What an API server refused, in words that say what to do, and with which exit code."""

from interact.cli.cluster.api import ApiError
from interact.cli.exits import CommandError, Exit


def refusal(error: ApiError, what: str) -> CommandError:
    """The command's error for an error of the API server.

    Args:
        error: What the server said.
        what: What was asked for, for example ``pipeline 'demo' in namespace 'beamline'``.
    """
    said = str(error)
    match error.code:
        case 0:
            return CommandError(
                Exit.UNREACHABLE,
                f"no API server answers at {said}",
                "is the cluster up, and is this the right --context or KUBECONFIG?",
            )
        case 401:
            return CommandError(
                Exit.FORBIDDEN,
                f"{what}: the cluster does not accept your credentials",
                "log in again, or choose another --context",
            )
        case 403:
            return CommandError(
                Exit.FORBIDDEN,
                f"{what}: {said}",
                "ask for the cluster role view (to read) or edit (to change) in that namespace",
            )
        case 404 if not error.kind_is_known:
            return CommandError(
                Exit.NOT_FOUND,
                f"{what}: this cluster has no resources of interact.science",
                "install Interact there, or choose another --context",
            )
        case 404:
            return CommandError(Exit.NOT_FOUND, f"{what}: there is none")
        case 409:
            return CommandError(
                Exit.INVALID, f"{what}: it was changed by somebody else each time; try again"
            )
        case 400 | 422:
            return CommandError(Exit.INVALID, f"{what}: {said}", *error.causes)
        case code:
            return CommandError(
                Exit.UNREACHABLE, f"{what}: the API server answers {code}: {said}; try again later"
            )
