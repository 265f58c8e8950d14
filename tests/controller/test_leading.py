"""Two real processes and a real API server: one writes at a time, whatever happens to the other."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import processes
from cluster.kube import Kube
from cluster.plane import Plane
from cluster.waiting import eventually
from interact_controller.election import LOST

PROGRAM = Path(__file__).with_name("candidate.py")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(plane: Plane, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a candidate."""
    running = []

    def started(name: str, seconds: float = 2.0) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(PROGRAM), plane.url, plane.admin_token,
                   str(plane.authority), namespace, name, str(seconds)]  # fmt: skip
        running.append(processes.start(command, tmp_path / f"{name}.log"))
        return running[-1]

    yield started
    for one in running:
        processes.stop(one, kill=True)


def writes(plane: Plane, namespace: str, name: str) -> list[dict[str, Any]]:
    """What a candidate wrote, as the API server received it."""
    return plane.audit(f"candidate-{name}", namespace=namespace, verbs=["create"])


def until_it_writes(plane: Plane, namespace: str, name: str, more_than: int = 0) -> None:
    """Wait until a candidate has written so much."""
    eventually(lambda: len(writes(plane, namespace, name)) > more_than, f"{name} writes", 60)


def in_turn(plane: Plane, namespace: str, *names: str) -> bool:
    """Whether each candidate wrote before the next one, and did not write again."""
    turns = [
        [one["requestReceivedTimestamp"] for one in writes(plane, namespace, name)]
        for name in names
    ]
    return all(max(one) < min(after) for one, after in itertools.pairwise(turns))


def holder(kube: Kube) -> str:
    """Who holds the lease."""
    return str(kube.get("leases", "candidates")["spec"]["holderIdentity"])


def test_the_second_waits_while_the_first_renews(
    plane: Plane, namespace: str, kube: Kube, start: Start
) -> None:
    start("a")
    until_it_writes(plane, namespace, "a")
    second = start("b")
    renewed = kube.get("leases", "candidates")["spec"]["renewTime"]

    eventually(lambda: _reads(plane, namespace) > 1, "the second looks at the lease")
    eventually(lambda: kube.get("leases", "candidates")["spec"]["renewTime"] > renewed)
    until_it_writes(plane, namespace, "a", len(writes(plane, namespace, "a")) + 100)

    assert holder(kube).startswith("a_")
    assert second.poll() is None
    assert writes(plane, namespace, "b") == []


def _reads(plane: Plane, namespace: str) -> int:
    puts = plane.audit(namespace=namespace, verbs=["update"])
    return len([one for one in puts if one["objectRef"]["resource"] == "leases"])


def test_another_follows_one_that_was_killed(plane: Plane, namespace: str, start: Start) -> None:
    first = start("a")
    until_it_writes(plane, namespace, "a")
    start("b")

    os.killpg(first.pid, signal.SIGKILL)
    until_it_writes(plane, namespace, "b")

    assert in_turn(plane, namespace, "a", "b")


def test_one_that_thaws_after_its_lease_ends_without_a_word(
    plane: Plane, namespace: str, start: Start, tmp_path: Path
) -> None:
    first = start("a")
    until_it_writes(plane, namespace, "a")
    start("b")

    first.send_signal(signal.SIGUSR1)
    until_it_writes(plane, namespace, "b")
    os.killpg(first.pid, signal.SIGCONT)

    assert first.wait(60) == LOST, (tmp_path / "a.log").read_text()
    until_it_writes(plane, namespace, "b", len(writes(plane, namespace, "b")) + 10)
    assert in_turn(plane, namespace, "a", "b")


def test_one_that_stops_lets_the_next_lead_before_its_lease_is_over(
    plane: Plane, namespace: str, kube: Kube, start: Start
) -> None:
    first = start("a", 600.0)
    until_it_writes(plane, namespace, "a")

    first.terminate()
    ended = first.wait(60)
    free = holder(kube)
    start("b", 600.0)
    until_it_writes(plane, namespace, "b")

    assert (ended, free) == (0, "")
    assert in_turn(plane, namespace, "a", "b")
    assert kube.get("leases", "candidates")["spec"]["leaseTransitions"] >= 2
