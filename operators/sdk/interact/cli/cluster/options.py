"""Options that every command on a cluster takes, spelled as kubectl spells them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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

LocalOption = Annotated[
    bool | None,
    typer.Option("--local/--cluster", help="A run on this machine, which comes first, or not."),
]
NatsOption = Annotated[
    str, typer.Option("--nats", metavar="URL", help="The cluster's NATS, where it is not found.")
]
NatsTokenFileOption = Annotated[
    Path | None,
    typer.Option("--nats-token-file", metavar="FILE", help="File with the token it asks for."),
]
NatsNamespaceOption = Annotated[
    str, typer.Option("--nats-namespace", metavar="NAME", help="Namespace of the cluster's NATS.")
]


@dataclass(frozen=True)
class Where:
    """Which cluster, and which namespace of it."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    everywhere: bool = False


class Form(StrEnum):
    """How objects are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Answer(StrEnum):
    """How a changed object is printed, as one of `Form`."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"
