"""Messages of pipelines that become runs: relays ask over NATS, and this makes, finds and tells runs.

What a relay says is checked against the pipeline's object: anybody who reaches NATS may ask.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from interact_api import load, names
from interact_api.border import decode, encode
from interact_api.external_asks import MOST_RUNS, Outcome, RunAsk, RunTold
from interact_api.lifecycle import TERMINAL
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline
from interact_api.plain import mapping

from interact_controller import observed
from interact_controller.errors import ClusterError, Conflict, Refused
from interact_controller.external import asked
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import key_of

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1024
"""Questions that wait; a relay whose question is dropped asks again."""
WORKERS: Final = 4
MOST_KEPT: Final = 1000
"""Runs of one operator of a pipeline that there may be, those that have ended included."""


class Cluster(Protocol):
    """What is needed of the API server; every method raises `ClusterError`."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Make one object; `Conflict` if it is there."""
        ...

    async def live(self, key: Key) -> Manifest | None:
        """One object read from the server."""
        ...

    async def remove(self, key: Key, *, uid: str) -> None:
        """Delete one object if its uid is still this."""


class Objects(Protocol):
    """What there is, as last heard of."""

    def get(self, key: Key) -> Manifest | None:
        """One object."""
        ...

    def put(self, manifest: Manifest) -> object:
        """Keep an object unless a newer one is kept."""
        ...

    def phases(self, namespace: str, pipeline: str) -> Sequence[tuple[str, str]]:
        """Operator and phase of each run of a pipeline."""
        ...


class Line(Protocol):
    """NATS."""

    async def serve(self, subject: str, asked: Callable[[str, bytes, str], None]) -> None:
        """Call ``asked`` for each question at a subject."""

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send one message that nobody stores."""


class Asking:
    """Answers relays.

    Args:
        cluster: Where runs are made.
        objects: What there is.
        line: How relays are heard.
        policy: The administrator's decisions.
        wake: Called with the key of each run that was made.
    """

    def __init__(
        self,
        cluster: Cluster,
        objects: Objects,
        line: Line,
        policy: Policy,
        wake: Callable[[Key], None],
    ) -> None:
        self._cluster = cluster
        self._objects = objects
        self._line = line
        self._policy = policy
        self._wake = wake
        self._asked: asyncio.Queue[tuple[str, bytes, str]] = asyncio.Queue(MOST_WAITING)

    async def run(self) -> None:
        """Answer until cancelled; the store is full."""
        await self._line.serve(names.runs_subject("*", "*", "*"), self._heard)
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"answer relays {number}")

    async def told(self, manifest: Manifest) -> None:
        """A status was written: wake the relay whose run has ended."""
        if str(mapping(manifest.get("status")).get("phase", "")) not in TERMINAL:
            return
        place = asked.place(manifest)
        if place is not None:
            name = str(mapping(manifest["metadata"])["name"])
            await self._line.tell(names.run_news_subject(*place), name.encode())

    def _heard(self, subject: str, payload: bytes, answer_to: str) -> None:
        if not answer_to or self._asked.full():
            return
        self._asked.put_nowait((subject, payload, answer_to))

    async def _work(self) -> None:
        while True:
            subject, payload, answer_to = await self._asked.get()
            await self._line.tell(answer_to, encode(await self._answered(subject, payload)))

    async def _answered(self, subject: str, payload: bytes) -> RunTold:
        try:
            question = decode(RunAsk, payload)
        except ValueError as error:
            return RunTold(outcome=Outcome.REFUSED, message=f"this is no question: {error}")
        _, namespace, pipeline, operator = subject.split(".")
        try:
            return await self.answer((namespace, pipeline, operator), question)
        except Refused as error:
            words = f"the API server refuses the run: {error}"[:4000]
            return RunTold(outcome=Outcome.REFUSED, message=words)
        except ClusterError as error:
            return RunTold(outcome=Outcome.LATER, message=str(error)[:4000])

    async def answer(self, place: tuple[str, str, str], question: RunAsk) -> RunTold:
        """How the run of a message stands; it is made if it is not there.

        Args:
            place: Namespace, pipeline and operator as the subject has them.
            question: The message.

        Raises:
            ClusterError: If the API server does not answer, or refuses the run.
        """
        found = self._placed(place, question)
        if isinstance(found, str):
            return RunTold(outcome=Outcome.LATER, message=found)
        pipeline, operator = found
        run = asked.manifest(pipeline, place[2], operator, question)
        key = key_of(run)
        there = self._objects.get(key)
        if question.cancel:
            return await self._cancelled(key, pipeline.metadata.uid)
        if there is None:
            why = self._full(place, operator) or await self._ending(pipeline)
            if why:
                return RunTold(outcome=Outcome.LATER, name=key.name, message=why)
            there = await self._made(run, key)
        return asked.told(there, pipeline.metadata.uid)

    def _placed(
        self, place: tuple[str, str, str], question: RunAsk
    ) -> tuple[Pipeline, InteractOperator] | str:
        """The pipeline and the operator of a place, or why no runs are made there."""
        namespace, name, operator = place
        manifest = self._objects.get(Key(Kind.PIPELINE, namespace, name))
        if manifest is None or not self._policy.watches(namespace):
            return f"there is no pipeline {name!r} in {namespace!r}"
        if "deletionTimestamp" in mapping(manifest["metadata"]):
            return f"pipeline {name!r} is being deleted"
        try:
            pipeline = observed.pipeline(manifest)
        except load.SpecError as error:
            return f"pipeline {name!r} is not valid: {error}"
        if names.run_nonce(pipeline.metadata.uid) != question.run:
            return f"pipeline {name!r} is another one than the message is of"
        placed = {one.name: one for one in pipeline.spec.operators}
        if operator not in placed:
            return f"pipeline {name!r} has no operator {operator!r}"
        ref = placed[operator].operator_ref
        home = ref.namespace or namespace
        if not self._policy.may_use(namespace, home):
            return f"operators of namespace {home!r} may not be used from {namespace!r}"
        found = self._objects.get(Key(Kind.OPERATOR, home, ref.name))
        try:
            declared = observed.operator(found) if found is not None else None
        except load.SpecError as error:
            return f"operator {ref.key!r} is not valid: {error}"
        if declared is None or declared.spec.execution.driver is None:
            return f"operator {ref.key!r} is not there, or is not external"
        return pipeline, declared

    def _full(self, place: tuple[str, str, str], operator: InteractOperator) -> str:
        """Why no more runs are made now; empty if they may be."""
        phases = [
            phase for name, phase in self._objects.phases(*place[:2]) if name == place[2]
        ]  # fmt: skip
        most = operator.spec.execution.max_runs or MOST_RUNS
        going = sum(phase not in TERMINAL for phase in phases)
        if going >= most:
            return f"{going} runs of {place[2]!r} go on, at most {most} do (execution.maxRuns)"
        if len(phases) >= MOST_KEPT:
            return (
                f"there are {len(phases)} runs of {place[2]!r}, at most {MOST_KEPT} are kept; lower "
                "execution.ttlAfterFinished, or delete those that have ended"
            )
        return ""

    async def _ending(self, pipeline: Pipeline) -> str:
        """Why a pipeline that we have heard of gets no runs any more; empty if it does.

        Its runs may be gone before we hear that it is: made anew they would begin their work again.
        """
        about = pipeline.metadata
        live = await self._cluster.live(Key(Kind.PIPELINE, about.namespace or "", about.name))
        now = mapping(live["metadata"]) if live is not None else {}
        if now.get("uid") == about.uid and "deletionTimestamp" not in now:
            return ""
        return f"pipeline {about.name!r} is being deleted"

    async def _made(self, run: Manifest, key: Key) -> Manifest:
        try:
            made = await self._cluster.create(run)
        except Conflict:  # made by a former life of ours, and not heard of yet
            live = await self._cluster.live(key)
            if live is None:
                raise
            self._objects.put(live)
            made = live
        self._wake(key)
        return made

    async def _cancelled(self, key: Key, pipeline: str) -> RunTold:
        """Nobody waits for a run: it goes unless it has ended, and what it has begun is swept."""
        there = await self._cluster.live(key)
        if there is not None and asked.told(there, pipeline).outcome is Outcome.GOES_ON:
            await self._cluster.remove(key, uid=str(mapping(there["metadata"])["uid"]))
            self._wake(key)
        return RunTold(outcome=Outcome.FAILED, name=key.name, reason="Cancelled")
