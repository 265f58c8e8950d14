"""How the batches a source yields become scans, on a broker that stores at once."""

import asyncio
import json

import numpy as np
import pytest
from interact import BatchError, Param, Resume, Scan, Values, _codec
from interact import source as make_source
from interact._in_effect import Live
from interact._live_values import parsed, written
from interact._sourcing import Sourcing
from interact._tally import Tally
from interact_api import report
from interact_api.config import OperatorConfig, OutputConfig


class Storing:
    """A broker whose every message is stored at once."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.published: list[bytes] = []
        self.identities: set[str] = set()
        self.finished = asyncio.Event()

    async def publish(self, subject, payload, *, identity="", stored=None):
        self.published.append(payload)
        self.identities.add(identity)
        if stored is not None:
            await stored()

    async def flush(self):
        await asyncio.sleep(0)

    async def put(self, bucket, key, value):
        self.keys[key] = value
        if json.loads(value)["done"]:
            self.finished.set()

    async def get(self, bucket, key):
        return self.keys.get(key)


def config(*ports: str) -> OperatorConfig:
    outs = [
        OutputConfig(
            port=port, subject=f"interact.test.p.given.{port}", stream="s",
            delivery="AtLeastOnce", on_full="Block", max_bytes=1 << 20, types=["values"],
        )
        for port in ports
    ]  # fmt: skip
    return OperatorConfig(
        namespace="test", pipeline="p", operator="given", run="ab" * 8, role="source",
        parallel=False, replicas=1, parameters={}, kernel_timeout_seconds=60, inputs=[],
        outputs=outs, dead_letter_subject="d", dead_letter_stream="d", state_bucket="b",
        images_subject="i", images_stream="i", status_subject="t",
    )  # fmt: skip


async def sent(batches, broker: Storing | None = None, ports: tuple[str, ...] = ("out",)):
    """What a source that yields ``batches`` sends: (ordinal, start, stop, reasons) and the end."""

    @make_source(name="given", outputs=dict.fromkeys(ports, "values"))
    def given(*, resume: Resume):
        """What it is told."""
        yield from batches

    broker = broker or Storing()
    tally = Tally("given", 0, "source")
    sourcing = Sourcing(given, config(*ports), broker, tally)
    life = asyncio.create_task(sourcing.run())
    finished = asyncio.create_task(broker.finished.wait())
    await asyncio.wait({life, finished}, return_when=asyncio.FIRST_COMPLETED)
    finished.cancel()
    sourcing.stop()
    await life
    found, scans = [], None
    for payload in broker.published:
        header, batch = _codec.decode(payload)
        if header.kind == "end":
            scans = header.attributes["scans"]
        else:
            reasons = tuple(gap.reason for gap in batch.tombstones)
            found.append((int(batch.scan.id[-1]), batch.start, batch.stop, reasons))
    return found, scans, tally


def part(scan: Scan, start: int, stop: int) -> Values:
    return Values(scan=scan, start=start, stop=stop, columns={"v": np.arange(start, stop)})


RASTER = Scan("local", (3, 5))


async def test_the_same_scan_from_its_start_again_is_another_scan():
    halves = [part(RASTER, 0, 8), part(RASTER, 8, 15)]

    found, scans, _ = await sent([*halves, *halves])

    assert found == [(0, 0, 8, ()), (0, 8, 15, ()), (1, 0, 8, ()), (1, 8, 15, ())]
    assert scans == 2


async def test_a_scan_that_breaks_off_before_it_is_repeated_has_missing_frames():
    found, scans, _ = await sent([part(RASTER, 0, 8), part(RASTER, 0, 15)])

    assert found == [(0, 0, 8, ()), (0, 8, 15, ("missing",)), (1, 0, 15, ())]
    assert scans == 2


async def test_going_back_to_the_middle_of_a_scan_is_refused():
    with pytest.raises(BatchError, match=r"from 4 after those up to 12; .* order of their index"):
        await sent([part(RASTER, 0, 12), part(RASTER, 4, 8)])


async def test_a_scan_of_no_frames_is_not_waited_for():
    empty = Scan("empty", (0, 5))

    found, scans, tally = await sent([part(empty, 0, 0), part(RASTER, 0, 15)])

    assert found == [(0, 0, 15, ())]
    assert scans == 1, "nobody could see that an empty scan is complete"
    assert any("no frames" in warning for warning in told(tally).warnings)


async def test_frames_a_source_skips_are_an_overrun():
    found, _, _ = await sent([part(RASTER, 0, 4), part(RASTER, 9, 15)])

    assert found == [(0, 0, 4, ()), (0, 4, 9, ("overrun",)), (0, 9, 15, ())]


async def test_what_a_former_life_stored_is_not_sent_again():
    broker = Storing()
    broker.keys["source.given"] = b'{"scan": 1, "index": 8, "done": false}'
    again = [part(RASTER, 0, 8), part(RASTER, 8, 15)]

    found, scans, _ = await sent([*again, *again], broker)

    assert found == [(1, 8, 15, ()), (2, 0, 8, ()), (2, 8, 15, ())], "the first is of scan 1"
    assert scans == 3


async def test_two_ports_send_the_same_frames_under_names_of_their_own():
    broker = Storing()

    found, _, _ = await sent([part(RASTER, 0, 15)], broker, ports=("left", "right"))

    assert found == [(0, 0, 15, ())] * 2
    names = {_codec.decode(payload)[0].identity for payload in broker.published}
    assert len(names) == 4, "a batch and an end for each port"
    assert len(broker.identities) == 4


def told(tally: Tally) -> report.Report:
    return report.decode(tally.report())


async def test_a_source_of_one_scan_that_is_told_other_values_does_not_repeat_it():
    """It looks at the index alone, and the values come before its last message."""
    tally, broker, began = Tally("given", 0, "source"), Storing(), []

    @make_source(name="given", outputs={"out": "values"})
    def given(*, resume: Resume, level: int = Param(1)):
        """One scan."""
        began.append(level)
        for start in range(resume.index, 15, 5):
            live.take(parsed(written({"given": {"level": 9}}, 2)))
            yield part(RASTER, start, start + 5)

    live = Live(given, config("out"), tally)
    sourcing = Sourcing(given, config("out"), broker, tally, live)
    life = asyncio.create_task(sourcing.run())
    await broker.finished.wait()
    sourcing.stop()
    await life

    assert began == [1]
    assert len(broker.published) == 4, "three messages and the end"
    assert tally.revision == 2, "nothing is left that would wait for it"


async def test_a_source_of_several_scans_begins_the_next_one_with_other_values():
    tally, broker, began = Tally("given", 0, "source"), Storing(), []

    @make_source(name="given", outputs={"out": "values"})
    def given(*, resume: Resume, level: int = Param(1)):
        """Three scans."""
        began.append((resume.scan, level))
        for _ in range(resume.scan, 3):
            yield part(RASTER, 0, 8)
            live.take(parsed(written({"given": {"level": 9}}, 2)))
            yield part(RASTER, 8, 15)

    live = Live(given, config("out"), tally)
    sourcing = Sourcing(given, config("out"), broker, tally, live)
    life = asyncio.create_task(sourcing.run())
    await broker.finished.wait()
    sourcing.stop()
    await life

    assert began == [(0, 1), (1, 9)]
    assert len(broker.published) == 7, "six messages and the end"
    found = [_codec.decode(payload)[0] for payload in broker.published[:-1]]
    assert [header.revision for header in found] == [0, 0, 2, 2, 2, 2]
