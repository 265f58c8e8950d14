"""Between a submit and the first look at its work nothing is written but the claim."""

import pytest
from cluster.kube import Object
from external.desk import Desk
from external.rig import Rig
from interact_controller.events import Teller
from interact_controller.external.driver import ExternalError
from interact_controller.seen import Key


async def test_a_submit_and_the_first_look_at_its_work_are_one_write(
    rig: Rig, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    write = Teller.write_status

    async def noted(self: Teller, key: Key, status: Object, **version: str) -> Object:
        told.append((status["phase"], status.get("externalId", "")))
        return await write(self, key, status, **version)

    monkeypatch.setattr(Teller, "write_status", noted)
    desk.polls = 3
    name = rig.create()

    async with rig.controller() as controller:
        await controller.until_ended(name)

    assert told == [("CREATED", ""), ("RUNNING", "1"), ("COMPLETED", "1")]
    assert rig.events(name) == ["Completed"]


async def test_a_first_look_that_fails_does_not_hide_that_it_was_submitted(
    rig: Rig, desk: Desk
) -> None:
    desk.say("check", ExternalError("the desk is away"))
    name = rig.create()

    async with rig.controller() as controller:
        await controller.look(name)

    assert (rig.status(name)["phase"], rig.status(name)["externalId"]) == ("SUBMITTED", "1")
