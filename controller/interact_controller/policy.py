"""What the administrator decided, as one value that every pure module takes."""

from dataclasses import dataclass
from typing import Final

from interact_api.choices import Storage
from interact_api.stream_plan import MIB

CONFIG_LIMIT: Final = 120 * 1024
"""Most bytes of an operator's configuration; Linux takes 128 KiB for one variable."""
PARAMETERS_LIMIT: Final = 960 * 1024
"""Most bytes of all parameters of a pipeline; nats-server takes 1 MiB in one message."""
OBJECT_LIMIT: Final = 1024 * 1024
"""Most bytes of a Deployment, or of a Pipeline's spec; etcd takes 1.5 MiB with status and owners."""


@dataclass(frozen=True)
class Policy:
    """What neither pipelines nor operators say.

    Attributes:
        installation: Id of this installation; streams carry it.
        namespace: The controller's own.
        watched: Namespaces to look after; empty for all.
        catalogues: Namespaces whose operators may be used from others.
        pod_nats_url: Where pods find NATS.
        pod_nats_secret: Secret with the key ``token`` in the pipelines' namespaces; or empty.
        pull_policy: Of the pods' images.
        storage: Of streams whose port names none.
        stream_bytes: Of streams whose port names none.
        state_bytes: Of a pipeline's state.
        dead_letter_bytes: Of a pipeline's dead letters.
        images_bytes: Of a pipeline's pictures.
        stream_replicas: Copies of streams whose port names none.
        status_seconds: Least pause between writes that only move figures.
        scale_down_seconds: Calm before an operator that scales gets fewer replicas.
        pod_log_format: How operators' pods log: json or text.
        exchange_image: Has the interact package, for runs that exchange files.
    """

    installation: str
    namespace: str = "interact"
    watched: frozenset[str] = frozenset()
    catalogues: frozenset[str] = frozenset({"interact"})
    pod_nats_url: str = "nats://nats:4222"
    pod_nats_secret: str = ""
    pull_policy: str = "IfNotPresent"
    storage: Storage = Storage.FILE
    stream_bytes: int = 256 * MIB
    state_bytes: int = 256 * MIB
    dead_letter_bytes: int = 64 * MIB
    images_bytes: int = 64 * MIB
    stream_replicas: int = 1
    status_seconds: float = 10.0
    scale_down_seconds: float = 120.0
    pod_log_format: str = "json"
    exchange_image: str = ""

    def watches(self, namespace: str) -> bool:
        """Whether a namespace is ours to look after."""
        return not self.watched or namespace in self.watched

    def may_use(self, namespace: str, catalogue: str) -> bool:
        """Whether pipelines of a namespace may use operators of another."""
        return namespace == catalogue or catalogue in self.catalogues
