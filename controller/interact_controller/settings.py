"""What the administrator decided, read from the environment once; every mistake is told at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from interact_api.choices import Storage
from interact_api.quantities import byte_count

from interact_controller.policy import Policy

PREFIX: Final = "INTERACT_"
POLICIES: Final = ("IfNotPresent", "Always", "Never")
FORMATS: Final = ("json", "text")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
SHORTEST_LEASE: Final = 1.0
"""Seconds; a Lease counts in whole ones."""
T = TypeVar("T")


class SettingsError(ValueError):
    """The environment is wrong; the message has one line for each mistake."""


@dataclass(frozen=True)
class Variable:
    """One variable of the environment: its name, its default as text, and what it is for."""

    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable("NAMESPACE", "interact", "the controller's own namespace: the Lease lies there"),
    Variable("POD", "interact-controller", "the name of this pod: who holds the Lease"),
    Variable("INSTALLATION", "", "id that streams carry; empty: kept in a ConfigMap"),
    Variable("NATS_URL", "nats://nats:4222", "where NATS is; several with commas"),
    Variable("NATS_TOKEN_FILE", "", "file with the token NATS asks for"),
    Variable("POD_NATS_URL", "", "where pods find NATS; empty: as above"),
    Variable("POD_NATS_SECRET", "", "Secret with the key token, in pipelines' namespaces"),
    Variable("WATCH_NAMESPACES", "", "namespaces to look after, with commas; empty: all"),
    Variable("CATALOGUE_NAMESPACES", "", "whose operators all may use; empty: our own"),
    Variable("RESYNC_SECONDS", "60", "between two comparisons with the whole cluster"),
    Variable("SWEEP_SECONDS", "300", "between two looks for streams whose pipeline is gone"),
    Variable("STATUS_SECONDS", "10", "least pause between writes of figures"),
    Variable("SCALE_DOWN_SECONDS", "120", "calm before an operator gets fewer replicas"),
    Variable("EXTERNAL_RUNS", "200", "most attempts of external runs at once in all"),
    Variable("EXTERNAL_CANCEL_SECONDS", "300", "work is asked to stop before its run ends"),
    Variable("EXTERNAL_CLAIM_SECONDS", "86400", "work whose run is gone is tried to be stopped"),
    Variable("EXCHANGE_IMAGE", "", "has the interact package, for runs that exchange files"),
    Variable("LEASE_NAME", "interact-controller", "the Lease's name"),
    Variable("LEASE_SECONDS", "15", "how long a dead leader is waited for"),
    Variable("STREAM_BYTES", "256Mi", "of a stream whose port names none"),
    Variable("STATE_BYTES", "256Mi", "of a pipeline's state"),
    Variable("DEAD_LETTER_BYTES", "64Mi", "of a pipeline's dead letters"),
    Variable("IMAGES_BYTES", "64Mi", "of a pipeline's pictures"),
    Variable("STORAGE", "File", "of streams whose port names none: File or Memory"),
    Variable("STREAM_REPLICAS", "1", "copies of a stream in a NATS cluster"),
    Variable("POD_IMAGE_PULL_POLICY", "IfNotPresent", "IfNotPresent, Always or Never"),
    Variable("HTTP_HOST", "0.0.0.0", "address of /healthz, /readyz and /metrics"),  # noqa: S104
    Variable("HTTP_PORT", "8080", "their port; 0: none"),
    Variable("LOG", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    Variable("LOG_FORMAT", "json", "json (one object a line) or text"),
    Variable("POD_LOG_FORMAT", "json", "the same for the pods of operators"),
)
"""Every variable, without its prefix; the help and the chart show them."""


@dataclass(frozen=True)
class Settings:
    """The environment as values; see `VARIABLES`. Empty tuples stand for "all" or "our own"."""

    namespace: str
    pod: str
    installation: str
    nats_url: str
    nats_token_file: str
    pod_nats_url: str
    pod_nats_secret: str
    watch_namespaces: tuple[str, ...]
    catalogue_namespaces: tuple[str, ...]
    resync_seconds: float
    sweep_seconds: float
    status_seconds: float
    scale_down_seconds: float
    external_runs: int
    external_cancel_seconds: float
    external_claim_seconds: float
    exchange_image: str
    lease_name: str
    lease_seconds: float
    stream_bytes: int
    state_bytes: int
    dead_letter_bytes: int
    images_bytes: int
    storage: Storage
    stream_replicas: int
    pull_policy: str
    http_host: str
    http_port: int
    log: str
    log_format: str
    pod_log_format: str

    @property
    def heard_namespaces(self) -> tuple[str, ...]:
        """Namespaces whose objects are listened to; empty for all."""
        if not self.watch_namespaces:
            return ()
        return tuple(dict.fromkeys((*self.watch_namespaces, *self.catalogue_namespaces)))

    def policy(self, installation: str) -> Policy:
        """The part of it that decisions need."""
        return Policy(
            installation=installation,
            namespace=self.namespace,
            watched=frozenset(self.watch_namespaces),
            catalogues=frozenset(self.catalogue_namespaces),
            pod_nats_url=self.pod_nats_url,
            pod_nats_secret=self.pod_nats_secret,
            pull_policy=self.pull_policy,
            storage=self.storage,
            stream_bytes=self.stream_bytes,
            state_bytes=self.state_bytes,
            dead_letter_bytes=self.dead_letter_bytes,
            images_bytes=self.images_bytes,
            stream_replicas=self.stream_replicas,
            status_seconds=self.status_seconds,
            scale_down_seconds=self.scale_down_seconds,
            pod_log_format=self.pod_log_format,
            exchange_image=self.exchange_image,
        )


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment; a variable that is empty counts as absent.

    Raises:
        SettingsError: With every mistake.
    """
    asked = _Reader(environment)
    namespace = asked.text("NAMESPACE")
    nats_url = asked.text("NATS_URL")
    found = Settings(
        namespace=namespace,
        pod=asked.text("POD"),
        installation=asked.text("INSTALLATION"),
        nats_url=nats_url,
        nats_token_file=asked.text("NATS_TOKEN_FILE"),
        pod_nats_url=asked.text("POD_NATS_URL") or nats_url,
        pod_nats_secret=asked.text("POD_NATS_SECRET"),
        watch_namespaces=asked.value("WATCH_NAMESPACES", _words),
        catalogue_namespaces=asked.value("CATALOGUE_NAMESPACES", _words) or (namespace,),
        resync_seconds=asked.value("RESYNC_SECONDS", _seconds),
        sweep_seconds=asked.value("SWEEP_SECONDS", _seconds),
        status_seconds=asked.value("STATUS_SECONDS", _seconds),
        scale_down_seconds=asked.value("SCALE_DOWN_SECONDS", _seconds),
        external_runs=asked.value("EXTERNAL_RUNS", _whole(1, 100_000)),
        external_cancel_seconds=asked.value("EXTERNAL_CANCEL_SECONDS", _seconds),
        external_claim_seconds=asked.value("EXTERNAL_CLAIM_SECONDS", _seconds),
        exchange_image=asked.text("EXCHANGE_IMAGE"),
        lease_name=asked.text("LEASE_NAME"),
        lease_seconds=asked.value("LEASE_SECONDS", _lease),
        stream_bytes=asked.value("STREAM_BYTES", _bytes),
        state_bytes=asked.value("STATE_BYTES", _bytes),
        dead_letter_bytes=asked.value("DEAD_LETTER_BYTES", _bytes),
        images_bytes=asked.value("IMAGES_BYTES", _bytes),
        storage=Storage(asked.value("STORAGE", _one_of([str(one) for one in Storage]))),
        stream_replicas=asked.value("STREAM_REPLICAS", _whole(1, 5)),
        pull_policy=asked.value("POD_IMAGE_PULL_POLICY", _one_of(POLICIES)),
        http_host=asked.text("HTTP_HOST"),
        http_port=asked.value("HTTP_PORT", _whole(0, 65535)),
        log=asked.value("LOG", _one_of(LEVELS)),
        log_format=asked.value("LOG_FORMAT", _one_of(FORMATS)),
        pod_log_format=asked.value("POD_LOG_FORMAT", _one_of(FORMATS)),
    )
    if asked.mistakes:
        raise SettingsError("\n".join(asked.mistakes))
    return found


class _Reader:
    """Reads variables and gathers what is wrong with them; defaults stand in for those."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._defaults = {one.name: one.default for one in VARIABLES}
        self.mistakes: list[str] = []

    def text(self, name: str) -> str:
        return self._environment.get(PREFIX + name, "").strip() or self._defaults[name]

    def value(self, name: str, read_as: Callable[[str], T]) -> T:
        given = self.text(name)
        try:
            return read_as(given)
        except ValueError as error:
            self.mistakes.append(f"{PREFIX}{name}={given!r}: {error}")
            return read_as(self._defaults[name])


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _seconds(text: str, least: float = 0.0) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not least < found < 1e9:  # infinity and NaN too
        raise ValueError(f"write seconds, more than {least:g}")
    return found


def _lease(text: str) -> float:
    found = _seconds(text)
    if found < SHORTEST_LEASE:
        raise ValueError(f"write at least {SHORTEST_LEASE:g} second")
    return found


def _bytes(text: str) -> int:
    found = byte_count(text)
    if found < 1:
        raise ValueError("write at least one byte, for example 256Mi")
    return found


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read_as(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return int(text)

    return read_as


def _one_of(choices: Iterable[Any]) -> Callable[[str], str]:
    known = [str(one) for one in choices]

    def read_as(text: str) -> str:
        if text not in known:
            raise ValueError(f"write {', '.join(known[:-1])} or {known[-1]}")
        return text

    return read_as
