"""Looks at external runs against a real API server, over another system in memory."""

from external.desk import Desk
from external.rig import Rig


async def test_a_run_goes_its_way_to_its_results(rig: Rig, desk: Desk) -> None:
    name = rig.create()

    async with rig.controller() as controller:
        status = await controller.until_ended(name)

    assert status["phase"] == "COMPLETED"
    assert status["results"] == {"number": 1}
    assert [one.key for one in desk.jobs] == [status["idempotencyKey"]]
    assert status["externalId"] == "1"
    assert rig.claims() == []
