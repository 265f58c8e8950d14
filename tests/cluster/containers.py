"""One container of the test node: a process that is started, probed, and started again."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from interact._tether import tethered

from cluster.api import Api, within
from cluster.kube import Object

EAGER_SECONDS = 0.1
"""Between readiness probes of what is not ready; the kubelet waits for the period."""


class BlockedError(Exception):
    """The container cannot start yet: ``reason`` is what the kubelet says then."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Start:
    """What a process is started with."""

    command: list[str]
    environment: Mapping[str, str]
    folder: Path


Prepare = Callable[[], Awaitable[Start]]


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Container:
    """A container's process and what its status says.

    Args:
        api: For probes.
        spec: The container, of a pod's specification.
        address: The pod's address.
        log: Where its output goes.
        changed: Called when its status did.
    """

    def __init__(
        self, api: Api, spec: Object, address: str, log: Path, changed: Callable[[], None]
    ) -> None:
        self._api, self._spec, self._address, self._changed = api, spec, address, changed
        self.log = log
        self.pid: int | None = None
        self.last_words = ""
        """Reason of the next termination, in place of Error."""
        self.exit_code: int | None = None
        """Of the last end, if it is not to run again."""
        self._doomed = asyncio.Event()
        self._ready = self._begun = False
        self._restarts = 0
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last: Object = {}

    @property
    def begun(self) -> bool:
        """Whether it ever ran."""
        return self._restarts > 0 or "waiting" not in self._state

    @property
    def ready(self) -> bool:
        """Whether it runs and its readiness probe says so."""
        return self._ready

    def status(self) -> Object:
        """Its entry in the pod's status."""
        image = self._spec["image"]
        return {"name": self._spec["name"], "image": image, "imageID": image, "ready": self._ready,
                "started": self._begun, "restartCount": self._restarts, "state": self._state,
                "lastState": self._last}  # fmt: skip

    async def run(
        self, prepare: Prepare, policy: str, backoff: tuple[float, float], stop: asyncio.Event,
        grace: Callable[[], float],
    ) -> None:  # fmt: skip
        """Run it until it ends for good or is to stop.

        Args:
            prepare: Gives what to start; raises `BlockedError` while it cannot.
            policy: The pod's restart policy.
            backoff: Seconds before the second restart, doubled for each further one, and the most.
            stop: Set when the pod is deleted.
            grace: Seconds between SIGTERM and SIGKILL.
        """
        pause, longest = backoff
        while not stop.is_set():
            try:
                start = await prepare()
            except BlockedError as error:
                self._wait(error.reason, str(error))
                await within(stop, backoff[0])
                continue
            code = await self._once(start, stop, grace)
            if stop.is_set() or policy == "Never" or (policy == "OnFailure" and code == 0):
                self.exit_code = code
                self._changed()
                return
            self._last = self._state
            self._restarts += 1
            if self._restarts > 1:
                self._wait(
                    "CrashLoopBackOff",
                    f"back-off {pause:g}s restarting failed container={self._spec['name']}",
                )
                await within(stop, pause)
                pause = min(2 * pause, longest)

    def _wait(self, reason: str, message: str) -> None:
        self._state = {"waiting": {"reason": reason, "message": message}}
        self._changed()

    async def _once(self, start: Start, stop: asyncio.Event, grace: Callable[[], float]) -> int:
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tethered(start.command), cwd=start.folder, env=start.environment,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        began = now()
        self.pid = process.pid
        self._state = {"running": {"startedAt": began}}
        self._doomed.clear()
        try:
            code = await self._attend(process, start, stop, grace)
        finally:
            self.pid = None
            self._ready = self._begun = False
            _signal(partial(os.killpg, process.pid, signal.SIGKILL))
        reason = self.last_words or ("Error" if code else "Completed")
        self.last_words = ""
        self._state = {"terminated": {"exitCode": code, "reason": reason, "startedAt": began,
                                      "finishedAt": now()}}  # fmt: skip
        self._changed()
        return code

    async def _attend(
        self, process: asyncio.subprocess.Process, start: Start, stop: asyncio.Event,
        grace: Callable[[], float],
    ) -> int:  # fmt: skip
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(process.wait())
            others = [group.create_task(one) for one in (stop.wait(), self._doomed.wait(), self._probe(start))]  # fmt: skip
            await asyncio.wait({ended, *others[:2]}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self._ready = False
                _signal(process.terminate)
                await asyncio.wait({ended}, timeout=grace())
            if not ended.done():
                _signal(partial(os.killpg, process.pid, signal.SIGKILL))
            code = await ended
            for one in others:
                one.cancel()
        return code if code >= 0 else 128 - code

    async def _probe(self, start: Start) -> None:
        """Ask the probes for as long as the process runs."""
        probes = {name: self._spec[name] for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in self._spec}  # fmt: skip
        if startup := probes.pop("startupProbe", None):
            await self._repeat(startup, start, self._set_begun, once=True)
        self._set_begun(well=True)
        self._set_ready(well="readinessProbe" not in probes)
        setters = {"livenessProbe": self._set_alive, "readinessProbe": self._set_ready}
        async with asyncio.TaskGroup() as group:
            for name, probe in probes.items():
                group.create_task(self._repeat(probe, start, setters[name]))

    async def _repeat(
        self, probe: Object, start: Start, tell: Callable[..., None], *, once: bool = False
    ) -> None:
        """Ask a probe every period and tell what its thresholds make of the answers."""
        never = asyncio.Event()
        await within(never, probe.get("initialDelaySeconds", 0))
        needed = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
        last, count = True, 0
        while True:
            well = await self._check(probe, start)
            count = count + 1 if well == last else 1
            last = well
            if count >= needed[well]:
                tell(well=well)
                if well and once:
                    return
            period = probe.get("periodSeconds", 10)
            eager = tell == self._set_ready and not self._ready  # nobody waits for nothing
            await within(never, EAGER_SECONDS if eager else period)

    def _set_begun(self, *, well: bool) -> None:
        self._begun = well
        if not well:
            self._doomed.set()
        self._changed()

    def _set_alive(self, *, well: bool) -> None:
        if not well:
            self._doomed.set()

    def _set_ready(self, *, well: bool) -> None:
        self._ready = well
        self._changed()

    async def _check(self, probe: Object, start: Start) -> bool:
        seconds = float(probe.get("timeoutSeconds", 1))
        if "httpGet" in probe:
            asked = probe["httpGet"]
            port = self._port(asked["port"])
            return await self._api.reachable(self._address, port, asked.get("path", "/"), seconds)
        try:
            async with asyncio.timeout(seconds):
                if "tcpSocket" in probe:
                    port = self._port(probe["tcpSocket"]["port"])
                    _, writer = await asyncio.open_connection(self._address, port)
                    writer.close()
                    return True
                return await _succeeds(probe["exec"]["command"], start)
        except (OSError, TimeoutError):
            return False

    def _port(self, named: Any) -> int:
        ports = {one.get("name"): one["containerPort"] for one in self._spec.get("ports", ())}
        return int(ports.get(named, named))


async def _succeeds(command: list[str], start: Start) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *tethered(command), cwd=start.folder, env=start.environment, stdin=quiet, stdout=quiet,
        stderr=quiet, start_new_session=True,
    )  # fmt: skip
    try:
        return await process.wait() == 0
    finally:
        _signal(partial(os.killpg, process.pid, signal.SIGKILL))


def _signal(send: Callable[[], None]) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        send()
