"""Leading: the rules of the lease against an API server in memory that refuses stale versions."""

import copy
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from interact_controller.election import Lease, Terms

SECONDS = 0.07
"""Of our lease: pauses are a seventh of it, and real. What matters is measured by `Clock`."""
FAR = 3600.0


def terms(identity: str = "a") -> Terms:
    return Terms("system", "interact-controller", identity, SECONDS)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Server:
    """One lease, kept as an API server does: a PUT of a version that is not the last is refused."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.refusals: list[int] = []
        self._versions = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def holder(self) -> str:
        return str((self.lease or {}).get("spec", {}).get("holderIdentity", ""))

    def answer(self, method: str, body: Mapping[str, Any] | None) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if self.refusals:
                return self.refusals.pop(), {"message": "no"}
            if method == "GET":
                return (404, {}) if self.lease is None else (200, copy.deepcopy(self.lease))
            assert body is not None
            if method == "POST":
                return (409, {}) if self.lease is not None else (201, self._store(body))
            version = body["metadata"]["resourceVersion"]
            current = self.lease is not None and self.lease["metadata"]["resourceVersion"]
            return (200, self._store(body)) if version == current else (409, {})

    def held_by(self, identity: str, seconds: int = 15, *, renewed: str = "") -> None:
        """Let somebody else hold it, as after a renewal."""
        spec = {"holderIdentity": identity, "leaseDurationSeconds": seconds, "renewTime": renewed}
        self._store({"metadata": {}, "spec": spec})

    def _store(self, body: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        self.lease = copy.deepcopy({**body, "metadata": metadata})
        return copy.deepcopy(self.lease)


class Door:
    """Requests to the server; ``meanwhile`` is called with each, before it is answered."""

    def __init__(self, server: Server, meanwhile: Callable[[str], None] = lambda _: None) -> None:
        self._server = server
        self._meanwhile = meanwhile

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, dict[str, Any]]:
        assert path.startswith("/apis/coordination.k8s.io/v1/namespaces/system/leases")
        assert 0 < timeout < SECONDS
        self._meanwhile(method)
        return self._server.answer(method, body)


class Candidate:
    """A lease whose pauses take no time, and what became of it."""

    def __init__(
        self,
        server: Server,
        identity: str = "a",
        looks: int = 3,
        meanwhile: Callable[["Candidate", str, int], None] = lambda *_: None,
    ) -> None:
        self.clock = Clock()
        self.won_at: list[int] = []
        self.lost_at: list[int] = []
        self._looks = looks
        self._look = 0
        self._meanwhile = meanwhile
        self.lease = Lease(
            Door(server, self._asked), terms(identity),
            lambda: self.won_at.append(self._look),
            lost=lambda: self.lost_at.append(self._look), now=self.clock,
        )  # fmt: skip

    def _asked(self, method: str) -> None:
        if method == "GET":
            self._look += 1
            if self._look >= self._looks:
                self.lease.release()
        self._meanwhile(self, method, self._look)

    def play(self) -> "Candidate":
        """Look at the lease as often as was said."""
        self.lease.hold()
        return self


# -- getting it --------------------------------------------------------------------------------


def test_a_lease_nobody_made_is_made_and_led() -> None:
    server = Server()

    one = Candidate(server).play()

    assert one.won_at == [1]
    assert one.lost_at == []
    assert one.lease.valid()
    assert server.holder == "a"


def test_of_many_who_start_at_once_one_leads() -> None:
    server = Server()
    together = threading.Barrier(8)
    candidates = [
        Candidate(server, f"c{number}", looks=20, meanwhile=_meet_first(together))
        for number in range(8)
    ]
    threads = [threading.Thread(target=one.play) for one in candidates]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    leaders = [one for one in candidates if one.won_at]
    assert len(leaders) == 1
    assert leaders[0].lease.valid()
    assert not any(one.lease.valid() for one in candidates if one is not leaders[0])


def _meet_first(together: threading.Barrier) -> Callable[[Candidate, str, int], None]:
    def meet(_: Candidate, method: str, look: int) -> None:
        if (method, look) == ("GET", 1):
            together.wait(10)

    return meet


def test_a_holder_who_renews_keeps_it_however_late_our_clock_is() -> None:
    server = Server()
    server.held_by("b")

    def renew(one: Candidate, method: str, look: int) -> None:
        del method, look
        one.clock.seconds += FAR
        server.held_by("b")

    one = Candidate(server, looks=10, meanwhile=renew).play()

    assert one.won_at == []
    assert server.holder == "b"


def test_a_holder_who_is_silent_for_its_own_duration_is_followed() -> None:
    server = Server()
    server.held_by("b", seconds=15, renewed="2999-01-01T00:00:00.000000Z")  # a clock gone mad

    def passes(one: Candidate, method: str, look: int) -> None:
        if method == "GET":
            one.clock.seconds += 10.0 if look > 1 else 0.0

    one = Candidate(server, looks=4, meanwhile=passes).play()

    assert one.won_at == [3]  # 20 s after the first look; 10 s were not enough
    assert server.holder == "a"


def test_a_lease_that_was_given_back_is_free_at_once() -> None:
    server = Server()
    before = Candidate(server, "b").play()
    before.lease.give_back()

    one = Candidate(server).play()

    assert one.won_at == [1]
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] >= 2


def test_one_who_comes_second_to_the_write_does_not_lead() -> None:
    server = Server()

    def overtaken(one: Candidate, method: str, look: int) -> None:
        del one
        if method in {"POST", "PUT"} and look == 1:
            server.held_by("b")

    one = Candidate(server, looks=2, meanwhile=overtaken).play()

    assert one.won_at == []
    assert server.holder == "b"


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_refusal_is_waited_out(status: int) -> None:
    server = Server()
    server.refusals.append(status)

    one = Candidate(server).play()

    assert one.won_at == [2]


# -- losing it ---------------------------------------------------------------------------------


def test_a_leader_may_write_for_two_thirds_of_its_lease_and_no_longer() -> None:
    one = Candidate(Server()).play()

    one.clock.seconds = SECONDS * 0.66
    before = one.lease.valid()
    one.clock.seconds = SECONDS * 0.67

    assert before
    assert not one.lease.valid()


def test_a_leader_whom_nobody_answers_ends_before_its_lease_does() -> None:
    def away(one: Candidate, method: str, look: int) -> None:
        del method
        if look > 2:
            one.clock.seconds += SECONDS * 0.3
            raise OSError("no route")

    one = Candidate(Server(), looks=100, meanwhile=away).play()

    assert one.lost_at == [5]
    assert one.clock.seconds < SECONDS
    assert not one.lease.valid()


def test_a_leader_who_wakes_too_late_and_finds_another_ends() -> None:
    server = Server()

    def frozen(one: Candidate, method: str, look: int) -> None:
        if (method, look) == ("GET", 3):
            one.clock.seconds += FAR
            server.held_by("b")

    one = Candidate(server, looks=100, meanwhile=frozen).play()

    assert one.lost_at == [3]
    assert server.holder == "b"


def test_a_renewal_counts_from_when_it_was_asked_for() -> None:
    def slow(one: Candidate, method: str, look: int) -> None:
        if (method, look) == ("PUT", 3):
            one.clock.seconds += SECONDS

    one = Candidate(Server(), looks=100, meanwhile=slow).play()

    assert one.lost_at == [3]


def test_one_who_never_led_loses_nothing() -> None:
    server = Server()
    server.held_by("b")

    def away(one: Candidate, method: str, look: int) -> None:
        del method, look
        one.clock.seconds += FAR
        raise OSError("no route")

    one = Candidate(server, looks=5, meanwhile=away).play()

    assert (one.won_at, one.lost_at) == ([], [])


def test_what_another_holds_is_not_given_back() -> None:
    server = Server()
    one = Candidate(server).play()
    server.held_by("b")

    one.lease.give_back()

    assert server.holder == "b"


# -- a lease that somebody deletes ---------------------------------------------------------------


def test_a_deleted_lease_is_made_again_by_its_leader() -> None:
    server = Server()

    def deleted(_: Candidate, method: str, look: int) -> None:
        if method == "GET" and look == 3:
            server.lease = None

    one = Candidate(server, looks=4, meanwhile=deleted).play()

    assert one.won_at == [1]
    assert one.lost_at == []
    assert server.holder == "a"


def test_who_knew_a_leader_of_a_deleted_lease_waits_as_long_as_that_one_may_write() -> None:
    server = Server()
    server.held_by("b", seconds=15)

    def deleted(one: Candidate, method: str, look: int) -> None:
        if method == "GET":
            server.lease = None if look > 1 else server.lease
            one.clock.seconds += 4

    one = Candidate(server, looks=7, meanwhile=deleted).play()

    assert one.won_at == [5]  # 16 seconds after it was seen first


def test_a_leader_who_reads_anothers_name_ends_at_once() -> None:
    server = Server()

    def taken(_: Candidate, method: str, look: int) -> None:
        if method == "GET" and look == 2:
            server.held_by("b")

    one = Candidate(server, looks=5, meanwhile=taken).play()

    assert one.lost_at == [2]
    assert not one.lease.valid()
    assert server.holder == "b"
