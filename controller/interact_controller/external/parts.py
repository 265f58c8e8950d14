"""What a look at an external run may touch, and what it holds while it goes on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from interact_api.external import Observation
from interact_api.lifecycle import Standing
from interact_api.problem import Problem

from interact_controller.external import failpoints
from interact_controller.external.caps import Caps
from interact_controller.external.catalogue import Catalogue
from interact_controller.external.claims import Claim, Claims
from interact_controller.external.deeds import Deeds
from interact_controller.external.driver import Driver
from interact_controller.external.reading import Reading
from interact_controller.external.steps import Hindrance, News
from interact_controller.external.sweep import Sweeper
from interact_controller.external.systems import Systems
from interact_controller.external.telling import Herald
from interact_controller.seen import Key, Manifest


class Cluster(Protocol):
    """What is needed of the API server; every method raises `ClusterError`."""

    async def live(self, key: Key) -> Manifest | None:
        """One object read from the server."""
        ...

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        """Replace the status if the object is still this version."""
        ...

    async def remove(self, key: Key, *, uid: str) -> None:
        """Delete one object if its uid is still this."""

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Post an event about an object."""


class Runs(Protocol):
    """The runs as last heard of."""

    def get(self, key: Key) -> Manifest | None:
        """One object."""
        ...

    def put(self, manifest: Manifest) -> object:
        """Keep an object unless a newer one is kept."""
        ...


Told = Callable[[Manifest], Awaitable[None]]
"""Called with each run whose status was written."""


async def nobody(run: Manifest) -> None:
    """Nobody waits for news of runs."""
    del run


@dataclass(frozen=True)
class Parts:
    """Everything a look may touch."""

    cluster: Cluster
    runs: Runs
    systems: Systems
    catalogue: Catalogue
    claims: Claims
    deeds: Deeds
    sweeper: Sweeper
    caps: Caps
    herald: Herald
    now: Callable[[], datetime]
    cancel_seconds: float = 300.0
    hit: failpoints.Hit = failpoints.nothing
    told: Told = nobody


@dataclass
class Course:
    """A look at one run while it goes on.

    Attributes:
        reading: The run as it was read or written last.
        standing: Where it is, as people were told or would be if it were not too soon.
        claim: Of the attempt that goes on.
        driver: Speaks to its system; None if there is none.
        hindrance: Why there is none.
        problems: What is wrong with its spec.
        news: What came of the last call.
        observation: What was seen of its work last.
    """

    reading: Reading
    standing: Standing | None
    claim: Claim | None
    driver: Driver | None = None
    hindrance: Hindrance | None = None
    problems: tuple[Problem, ...] = ()
    news: News | None = None
    observation: Observation | None = None
