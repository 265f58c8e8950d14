"""Relays' questions: checked against the pipeline, whoever asks; and answered the same each time."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from controller.building import NAMESPACE, POLICY, UID, catalogue, operator, pipeline
from interact_api import names
from interact_api.border import decode, encode
from interact_api.external_asks import Outcome, RunAsk, RunTold
from interact_controller.errors import Conflict, Refused
from interact_controller.external import asked
from interact_controller.external.asking import MOST_KEPT, MOST_WAITING, Asking
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects, key_of

PLACE = (NAMESPACE, "scan", "j")
ASK = RunAsk(run=names.run_nonce(UID), message="ab" * 16, scan="s-1", index=4,
             parameters={"energy": 80, "message": {"start": 4}})  # fmt: skip
EXECUTION = {"mode": "external", "driver": "http", "system": "desk", "maxRuns": 2}


@dataclass
class Server:
    """An API server: it keeps what it is given, and refuses what is there."""

    kept: dict[Key, Manifest] = field(default_factory=dict[Key, Manifest])
    refuses: str = ""
    version: int = 0

    async def create(self, manifest: Manifest) -> Manifest:
        key = key_of(manifest)
        if self.refuses:
            raise Refused(self.refuses, 422)
        if key in self.kept:
            raise Conflict("it is there", 409)
        return self.put(manifest)

    def put(self, manifest: Manifest, **status: Any) -> Manifest:
        self.version += 1
        about: dict[str, Any] = {"uid": f"uid-{self.version}", **manifest["metadata"],  # type: ignore[dict-item]
                                 "resourceVersion": str(self.version)}  # fmt: skip
        self.kept[key_of(manifest)] = made = {**manifest, "metadata": about}
        if status:
            made["status"] = {"attempt": 1, **status}
        return made

    async def live(self, key: Key) -> Manifest | None:
        return self.kept.get(key)

    async def remove(self, key: Key, *, uid: str) -> None:
        del self.kept[key]


@dataclass
class Wire:
    """NATS: what is told."""

    told: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    async def serve(self, subject: str, asked: Any) -> None:
        self.asked = asked

    async def tell(self, subject: str, payload: bytes) -> None:
        self.told.append((subject, payload))


@dataclass
class Office:
    """Everything together."""

    server: Server = field(default_factory=Server)
    wire: Wire = field(default_factory=Wire)
    objects: Objects = field(default_factory=Objects)
    woken: list[Key] = field(default_factory=list[Key])

    def __post_init__(self) -> None:
        self.asking = Asking(self.server, self.objects, self.wire, POLICY, self.woken.append)
        judge = operator("judge", inputs=[{"name": "part", "type": "values"}], execution=EXECUTION)
        flow = pipeline("r.frames > j.part", r="reader", j="judge")
        for one in (*catalogue(), judge, flow):
            self.hear(one)

    def hear(self, manifest: Manifest) -> None:
        self.objects.put(self.server.put(manifest))

    async def ask(self, place: tuple[str, str, str] = PLACE, **changes: Any) -> RunTold:
        return await self.asking.answer(place, ASK.model_copy(update=changes))

    @property
    def runs(self) -> list[Manifest]:
        return [one for key, one in self.server.kept.items() if key.kind is Kind.EXTERNAL_RUN]


@pytest.fixture
def office() -> Office:
    return Office()


async def test_the_run_of_a_message_says_where_it_comes_from(office: Office) -> None:
    told = await office.ask()

    [run] = office.runs
    about: Any = run["metadata"]
    assert told == RunTold(outcome=Outcome.GOES_ON, name=about["name"], phase="CREATED")
    assert about["name"] == names.message_run("scan", "j", ASK.run, ASK.message)
    assert about["labels"] == {
        "interact.science/pipeline": "scan", "interact.science/operator": "j",
        "interact.science/scan": "s-1", "interact.science/index": "4",
    }  # fmt: skip
    assert run["spec"] == {
        "operator": {"name": "judge"}, "inputs": [], "ttlAfterFinished": "1h",
        "parameters": [{"name": "energy", "value": 80}, {"name": "message", "value": {"start": 4}}],
    }  # fmt: skip
    assert office.woken == [key_of(run)]


async def test_a_controller_that_was_killed_after_the_create_finds_the_run(office: Office) -> None:
    first = await office.ask()
    [run] = office.runs
    office.objects.drop(key_of(run))  # the next controller's watch has not told of it yet

    again = await office.ask()

    assert again == first
    assert office.runs == [run]


@pytest.mark.parametrize(
    ("place", "changes", "words"),
    [
        pytest.param(("other", "scan", "j"), {}, "no pipeline 'scan' in 'other'", id="namespace"),
        pytest.param((NAMESPACE, "scan", "x"), {}, "no operator 'x'", id="operator"),
        pytest.param((NAMESPACE, "scan", "r"), {}, "is not external", id="a streaming one"),
        pytest.param(PLACE, {"run": "0f"}, "another one than the message", id="former pipeline"),
    ],
)
async def test_what_is_said_of_another_pipeline_makes_no_run(
    office: Office, place: tuple[str, str, str], changes: dict[str, Any], words: str
) -> None:
    told = await office.ask(place, **changes)

    assert told.outcome is Outcome.LATER
    assert words in told.message
    assert office.runs == []


async def test_a_pipeline_that_is_being_deleted_gets_no_runs(office: Office) -> None:
    flow = office.server.kept[Key(Kind.PIPELINE, NAMESPACE, "scan")]
    about: Any = {**flow["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}  # type: ignore[dict-item]
    office.hear({**flow, "metadata": about})

    told = await office.ask()

    assert (told.outcome, office.runs) == (Outcome.LATER, [])
    assert "is being deleted" in told.message


async def test_a_pipeline_whose_deletion_was_not_heard_of_gets_no_runs(office: Office) -> None:
    del office.server.kept[Key(Kind.PIPELINE, NAMESPACE, "scan")]

    told = await office.ask()

    assert (told.outcome, office.runs) == (Outcome.LATER, [])
    assert "is being deleted" in told.message


async def test_a_run_of_somebody_else_is_never_told(office: Office) -> None:
    await office.ask()
    [run] = office.runs
    own: Any = {**run["metadata"], "ownerReferences": []}  # type: ignore[dict-item]
    stolen = office.server.put({**run, "metadata": own}, phase="COMPLETED", results={"x": 1})
    office.objects.put(stolen)

    told = await office.ask()

    assert (told.outcome, told.results) == (Outcome.LATER, {})
    assert "belongs to somebody else; delete it" in told.message


async def test_runs_that_go_on_and_runs_that_are_kept_are_bounded(office: Office) -> None:
    def made(number: int, **status: Any) -> None:
        question = ASK.model_copy(update={"message": f"{number:032x}"})
        flow = office.asking._placed(PLACE, question)
        assert not isinstance(flow, str)
        run = asked.manifest(flow[0], "j", flow[1], question)
        office.objects.put(office.server.put(run, **status))

    for number in range(2):
        made(number, phase="RUNNING")
    going = await office.ask()
    for number in range(MOST_KEPT):
        made(number, phase="COMPLETED")
    kept = await office.ask()

    assert (going.outcome, kept.outcome) == (Outcome.LATER, Outcome.LATER)
    assert "2 runs of 'j' go on, at most 2 do (execution.maxRuns)" in going.message
    assert f"there are {MOST_KEPT} runs of 'j'" in kept.message
    assert "ttlAfterFinished" in kept.message


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        pytest.param(b"no json", "this is no question", id="no JSON"),
        pytest.param(b'{"run": "x y", "message": ""}', "RunAsk.run", id="a nonce that is none"),
        pytest.param(b"[" * 10_000, "this is no question", id="deep"),
        pytest.param(encode(ASK)[:-1] + b',"spec":{}}', "RunAsk.spec", id="a field nobody knows"),
    ],
)
async def test_rubbish_is_refused_with_its_reason(
    office: Office, payload: bytes, words: str
) -> None:
    subject = names.runs_subject(*PLACE)

    told = await office.asking._answered(subject, payload)

    assert told.outcome is Outcome.REFUSED
    assert words in told.message


async def test_what_the_api_server_refuses_is_told(office: Office) -> None:
    office.server.refuses = "spec.parameters: Too many: 200: must have at most 128 items"

    told = await office.asking._answered(names.runs_subject(*PLACE), encode(ASK))

    assert told.outcome is Outcome.REFUSED
    assert "at most 128 items" in told.message


async def test_a_message_nobody_waits_for_takes_its_run_along(office: Office) -> None:
    await office.ask()
    [run] = office.runs

    await office.ask(cancel=True)

    assert office.runs == []
    assert office.woken == [key_of(run), key_of(run)]


async def test_a_run_that_has_ended_stays_though_nobody_waits(office: Office) -> None:
    await office.ask()
    [run] = office.runs
    office.server.put(run, phase="COMPLETED")

    await office.ask(cancel=True)

    assert len(office.runs) == 1


async def test_an_end_is_told_to_the_relay(office: Office) -> None:
    await office.ask()
    [run] = office.runs

    await office.asking.told({**run, "status": {"phase": "RUNNING"}})
    await office.asking.told({**run, "status": {"phase": "FAILED"}})
    await office.asking.told({"metadata": {"name": "alone"}, "status": {"phase": "FAILED"}})

    name = str(key_of(run).name).encode()
    assert office.wire.told == [(names.run_news_subject(*PLACE), name)]


def test_questions_beyond_the_bound_are_dropped(office: Office) -> None:
    for _ in range(MOST_WAITING + 5):
        office.asking._heard(names.runs_subject(*PLACE), encode(ASK), "answer.here")

    assert office.asking._asked.qsize() == MOST_WAITING


def test_questions_and_answers_travel_as_they_are() -> None:
    told = RunTold(outcome=Outcome.COMPLETED, name="a", results={"x": 1.5})

    assert decode(RunAsk, encode(ASK)) == ASK
    assert decode(RunTold, encode(told)) == told
    with pytest.raises(ValueError, match="outcome"):
        decode(RunTold, b"{}")
