"""When an input may be acknowledged: once all that was made of it is stored."""

import pytest
from interact import _codec
from interact._outlet import Outlet
from interact._tally import Tally
from interact.testing import frames
from interact_api.config import OperatorConfig, OutputConfig


class Pending:
    """A broker whose messages are stored when the test says so."""

    def __init__(self) -> None:
        self.waiting: list = []

    async def publish(self, subject, payload, *, identity="", stored=None):
        self.waiting.append(stored)


@pytest.mark.parametrize("ports", [("one",), ("one", "two")], ids=["one port", "two ports"])
@pytest.mark.parametrize("end", [False, True], ids=["a batch", "a source's end"])
async def test_nothing_is_acknowledged_before_all_of_it_is_stored(ports, end):
    outs = [
        OutputConfig(
            port=port, subject=f"interact.test.p.o.{port}", stream="s", delivery="AtLeastOnce",
            on_full="Block", max_bytes=1 << 20, types=["dense"],
        )
        for port in ports
    ]  # fmt: skip
    config = OperatorConfig(
        namespace="test", pipeline="p", operator="o", run="ab", role="transform", parallel=True,
        replicas=1, parameters={}, kernel_timeout_seconds=60, inputs=[], outputs=outs,
        dead_letter_subject="d", dead_letter_stream="d", state_bucket="b", images_subject="i",
        images_stream="i", status_subject="t",
    )  # fmt: skip
    broker, acknowledged = Pending(), []
    outlet = Outlet(config, broker, Tally("o", 0, "transform"))

    async def acknowledge():
        acknowledged.append(True)

    if end:
        await outlet.send_end("given", 1, lane="given", parent=b"p", stored=acknowledge)
    else:
        batch = dict.fromkeys(ports, frames(shape=(1, 3, 8, 12), disk=(3, 7, 2)))
        await outlet.send_all(batch, parent=b"p", lane="given", stored=acknowledge)

    for stored in broker.waiting:
        assert acknowledged == []
        await stored()
    assert (len(broker.waiting), acknowledged) == (len(ports), [True])


async def test_what_is_made_of_a_frame_sent_again_says_so_and_has_a_name_of_its_own():
    sent: list[tuple[str, bytes]] = []

    class Stored:
        async def publish(self, subject, payload, *, identity="", stored=None):
            sent.append((identity, payload))

    out = OutputConfig(
        port="out", subject="interact.test.p.o.out", stream="s", delivery="AtLeastOnce",
        on_full="Block", max_bytes=1 << 20, types=["dense"],
    )  # fmt: skip
    config = OperatorConfig(
        namespace="test", pipeline="p", operator="o", run="ab", role="transform", parallel=True,
        replicas=1, parameters={}, kernel_timeout_seconds=60, inputs=[], outputs=[out],
        dead_letter_subject="d", dead_letter_stream="d", state_bucket="b", images_subject="i",
        images_stream="i", status_subject="t",
    )  # fmt: skip
    outlet = Outlet(config, Stored(), Tally("o", 0, "transform"))
    batch = frames(shape=(1, 3, 8, 12), disk=(3, 7, 2))

    for edition in (0, 1, 2):
        await outlet.send("out", batch, parent=b"p", lane="given", edition=edition)

    assert len({name for name, _ in sent}) == 3
    assert [_codec.decode(payload)[0].edition for _, payload in sent] == [0, 1, 2]
