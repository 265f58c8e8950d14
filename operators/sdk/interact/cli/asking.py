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


def _where(
    *,
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> Where:
    return Where(kubeconfig, context, namespace)


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


def _taking(
    gather: Callable[..., Any], name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command the options of a function; its result comes to it by a name."""
    options = inspect.signature(gather).parameters

    def give(command: Callable[..., None]) -> Callable[..., None]:
        def taking(**given: Any) -> None:
            said = {option: given.pop(option) for option in options}
            command(**given, **{name: gather(**said)})

        own = inspect.signature(command).parameters.values()
        kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.name != name]
        everything = [*kept, *options.values()]
        taking.__name__, taking.__doc__ = command.__name__, command.__doc__
        taking.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]  # Typer reads it
        taking.__annotations__ = {one.name: one.annotation for one in everything}
        return taking

    return give


anywhere = _taking(_asking, "asked")
"""Gives a command the options of `Asking`, which comes to it as ``asked``."""
on_a_cluster = _taking(_where, "where")
"""Gives a command the options of `Where`, which comes to it as ``where``."""
