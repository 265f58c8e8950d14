"""What operators at work measure, on a real nats-server."""

import asyncio

import numpy as np
import pytest
from interact import DenseFrames, Image, Reducer, Values, Zip, _health_metrics, _runtime, operator
from interact._tally import Tally
from interact_api.buckets import quantile
from sdk.at_work import SCAN, given, planned, running

pytestmark = pytest.mark.nats

FRAMES = len(SCAN)


@operator(parallel=True)
def sums(frames: DenseFrames) -> Values:
    """Sum of each frame; the first of a scan has none."""
    if frames.index[0] == 0:
        raise ValueError("a bad frame")
    return frames.values(sum=frames.data.sum(axis=(1, 2)))


@operator
class Total(Reducer[dict]):
    """A number for each frame, forgotten."""

    def zero(self, scan):
        return {"total": np.zeros(1)}

    def add(self, state, part: Values) -> None:
        state["total"] += part.sum.sum()

    def result(self, state, progress) -> Image | None:
        return None


def measured(tally):
    """Values of a process's metrics by name and the labels beside pipeline and operator."""
    parser = pytest.importorskip("prometheus_client.parser")
    body = _health_metrics.text(tally, "measured")
    return {
        (one.name, *(v for k, v in sorted(one.labels.items()) if k not in {"pipeline", "operator"})): one.value
        for family in parser.text_string_to_metric_families(body)
        for one in family.samples
    }  # fmt: skip


async def worked(server, edges, *operators):
    """Tallies by operator once everything that ends has ended."""
    plan = planned("measured", operators, edges)
    async with running(server, plan) as run:
        stop = asyncio.Event()
        tallies = {one.name: Tally(one.name, 0, one.role) for one in operators}
        async with asyncio.TaskGroup() as group:
            for one in operators:
                config = plan.operators[one.name]
                serving = _runtime.serve(
                    one, config, run.broker, stop=stop, tally=tallies[one.name]
                )
                group.create_task(serving)
            await run.until(operators[-1].name, lambda told: told.state == "done")
            stop.set()
    return tallies


async def test_frames_bytes_times_and_errors_are_measured_from_end_to_end(server):
    source, _ = given(SCAN)
    edges = [("given.out", "sums.frames"), ("sums.out", "total.part")]

    tallies = await worked(server, edges, source, sums, Total)

    sent, took, got = (measured(tallies[name]) for name in ("given", "sums", "total"))
    assert sent["interact_frames_total", "out", "out"] == FRAMES
    assert took["interact_frames_total", "in", "frames"] == FRAMES
    assert took["interact_frames_total", "out", "out"] == FRAMES - 1
    assert got["interact_frames_total", "in", "part"] == FRAMES - 1
    assert took["interact_frame_bytes_total", "in", "frames"] == tallies["given"].bytes_out > 0
    assert took["interact_frame_errors_total", "exception"] == 1
    messages = tallies["sums"].messages_in
    assert took["interact_message_duration_seconds_count",] == messages == 7
    assert took["interact_end_to_end_seconds_count",] == messages
    assert got["interact_end_to_end_seconds_sum",] >= took["interact_end_to_end_seconds_sum",] > 0
    assert got["interact_scan_completeness_ratio",] == 1
    for name in ("given", "sums", "total"):
        assert measured(tallies[name])["interact_inflight_messages",] == 0
    delay = quantile(tallies["total"].snapshot().delays, 0.5)
    assert delay is not None
    assert 0 < delay < 100


async def test_both_halves_of_a_join_are_counted_at_their_ports(server):
    source, _ = given(SCAN.replace(data=SCAN.data + 1))
    edges = [
        ("given.out", "doubled.frames"), ("given.out", "share.dense"), ("doubled.out", "share.values"),
    ]  # fmt: skip

    @operator(name="doubled", parallel=True)
    def doubled(frames: DenseFrames) -> Values:
        """A value for each frame."""
        return frames.values(sum=frames.data.sum(axis=(1, 2)))

    @operator(name="share")
    def share(dense: Zip[DenseFrames], values: Zip[Values]) -> None:
        """Takes both halves."""

    tallies = await worked(server, edges, source, doubled, share)

    found = measured(tallies["share"])
    assert found["interact_frames_total", "in", "dense"] == FRAMES
    assert found["interact_frames_total", "in", "values"] == FRAMES
    sizes = [found["interact_frame_bytes_total", "in", port] for port in ("dense", "values")]
    assert sizes == [tallies["given"].bytes_out, tallies["doubled"].bytes_out]
    assert tallies["share"].frames_in == FRAMES
    assert tallies["share"].bytes_in == sum(sizes)
