"""From a command line to a cluster."""

from interact.cli.cluster import _kube, kinds
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Where
from interact.cli.exits import CommandError, Exit


def place(where: Where) -> Place:
    """Connect to a cluster; nothing is sent yet.

    Raises:
        CommandError: If no kubeconfig says how.
    """
    if where.namespace and where.everywhere:
        raise CommandError(Exit.USAGE, "-n names one namespace and -A takes all; give one of them")
    try:
        connection = _kube.connect(where.kubeconfig, where.context)
    except _kube.NoContextError as error:
        known = f"there are {', '.join(error.known)}" if error.known else "there is none at all"
        raise CommandError(
            Exit.USAGE, f"the kubeconfig has no context {error.context!r}; {known}"
        ) from error
    except _kube.NoConfigError as error:
        raise CommandError(
            Exit.UNREACHABLE,
            f"no cluster is configured: {error}",
            "name a kubeconfig with --kubeconfig FILE or KUBECONFIG; interact run needs no cluster",
        ) from error
    named = where.namespace or connection.namespace
    return Place(connection, "" if where.everywhere else kinds.named(named))
