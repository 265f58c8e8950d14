"""Where a pipeline runs: the options that say so, for every command that talks to a running one."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interact.cli.cluster.options import (
    ContextOption,
    KubeconfigOption,
    LocalOption,
    NamespaceOption,
    NatsNamespaceOption,
    NatsOption,
    NatsTokenFileOption,
    Where,
)


@dataclass(frozen=True)
class Asking:
    """What a command line says about where a pipeline runs.

    Attributes:
        where: The cluster and the namespace.
        local: Only on this machine (True), only on a cluster (False), or either.
        nats: Address of the cluster's NATS; looked for when empty.
        token_file: A file with the token it asks for.
        nats_namespace: The namespace of its Service; looked for when empty.
    """

    where: Where
    local: bool | None = None
    nats: str = ""
    token_file: Path | None = None
    nats_namespace: str = ""


def _asking(
    *,
    local: LocalOption = None,
    nats: NatsOption = "",
    nats_token_file: NatsTokenFileOption = None,
    nats_namespace: NatsNamespaceOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> Asking:
    where = Where(kubeconfig, context, namespace)
    return Asking(where, local, nats, nats_token_file, nats_namespace)


OPTIONS = inspect.signature(_asking).parameters


def anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above; what they say comes to it as ``asked``."""

    def asking(**given: Any) -> None:
        said = {name: given.pop(name) for name in OPTIONS}
        command(**given, asked=_asking(**said))

    own = inspect.signature(command).parameters.values()
    kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.name != "asked"]
    everything = [*kept, *OPTIONS.values()]
    asking.__name__, asking.__doc__ = command.__name__, command.__doc__
    asking.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]  # Typer reads it
    asking.__annotations__ = {one.name: one.annotation for one in everything}
    return asking
