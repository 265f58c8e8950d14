"""Options that every command on a cluster takes, spelled as kubectl spells them."""

from dataclasses import dataclass
from typing import Annotated

import typer

from interact.cli.cluster import kinds
from interact.cli.cluster.objects import Place
from interact.cli.exits import CommandError, Exit

KubeconfigOption = Annotated[
    str, typer.Option("--kubeconfig", metavar="FILE", help="Instead of KUBECONFIG.")
]
ContextOption = Annotated[
    str, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")
]
NamespaceOption = Annotated[
    str,
    typer.Option("--namespace", "-n", metavar="NAME", help="Namespace; the context's without."),
]
AllOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", metavar="LABELS", help="Only with these, as a=b,c!=d.")
]
PipelineArgument = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name of the pipeline.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Return when it has come about.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0, metavar="SECONDS", help="Longest time to wait.")
]


@dataclass(frozen=True)
class Where:
    """Which cluster, and which namespace of it."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    everywhere: bool = False


def place(where: Where) -> Place:
    """Connect to a cluster; nothing is sent yet.

    Raises:
        CommandError: If no kubeconfig says how.
    """
    from interact.cli.cluster import _kube

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
