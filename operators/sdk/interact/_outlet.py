"""An operator's output ports: what is stamped on a batch before it leaves."""

from collections.abc import Awaitable, Callable
from functools import partial

from interact_api import wire
from interact_api.config import OperatorConfig, OutputConfig

from interact import _chunks, _codec, _trace
from interact._batches import Batch
from interact._carrier import Carrier
from interact._chunks import Place
from interact._identity import identity
from interact._ports import Broker
from interact._sampling import REASON, Sampling
from interact._tally import Tally

Stored = Callable[[], Awaitable[None]]


class Outlet:
    """The connected output ports of one operator."""

    def __init__(self, config: OperatorConfig, broker: Broker, tally: Tally) -> None:
        self._config = config
        self._broker = broker
        self._tally = tally
        self.ports = {port.port: port.subject for port in config.outputs}
        self._carrier = Carrier(broker, f"{config.operator}/{tally.replica}")
        self._last_only = {port.port for port in config.outputs if port.delivery == "Latest"}
        self._places = {port.port: _place(port) for port in config.outputs}
        self._pictures = _chunks.place(config.images_chunks, config.images_stream, drops=True)
        self._sampling = {
            port.port: Sampling(partial(self._cover, port.port), partial(tally.drop, REASON))
            for port in config.outputs
            if port.on_full == "Sample"
        }
        self._plain = self.ports.keys() - self._sampling - self._last_only
        """Ports that send every message the same way."""
        self.revision = config.revision
        """Of the parameters that make what is sent."""
        self.begins_traces = False
        """Whether what is made of nothing begins a trace."""

    async def send(
        self,
        port: str,
        batch: Batch,
        *,
        parent: bytes,
        lane: str,
        number: int = 0,
        edition: int = 0,
        traceparent: str = "",
        stored: Stored | None = None,
    ) -> None:
        """Publish one batch on a port; ``stored`` follows when it is safe."""
        if edition:
            parent += b"edition" + edition.to_bytes(8)
        config = self._config
        name = identity(config.run, config.operator, port, parent, number)
        if traceparent:
            traceparent = _trace.child(traceparent, name)
        elif self.begins_traces:
            traceparent = _trace.begun(name)
        pieces = _codec.pieces(batch, name, lane, self.revision, edition, traceparent)
        self._tally.sent(len(batch), pieces.size, port)
        subject = f"{self.ports[port]}.{batch.scan.id}"
        if port in self._plain and pieces.size <= self._carrier.whole_bytes:
            await self._broker.publish(
                subject, b"".join(pieces.parts), identity=name.hex(), stored=stored
            )
            return
        full = None
        if port in self._sampling:
            left_out = self._sampling[port].leave_out
            full = partial(left_out, batch, lane, edition, pieces.size, stored)
        await self._carrier.publish(
            subject, pieces, place=self._places[port], identity=name.hex(), stored=stored, full=full,
            stays=port in self._last_only and _whole(batch),
        )  # fmt: skip

    async def _cover(
        self, port: str, coverage: Batch, lane: str, edition: int, stored: Stored
    ) -> None:
        """Account for frames that were left out; such a message waits for room."""
        scan, start, stop = coverage.scan.id, coverage.start, coverage.stop
        parent = f"sampled {scan} {lane} {start} {stop} {edition}".encode()
        name = identity(self._config.run, self._config.operator, port, parent)
        payload = _codec.encode(
            coverage, identity=name, lane=lane, revision=self.revision, edition=edition
        )
        subject = f"{self.ports[port]}.{scan}"
        await self._broker.publish(subject, payload, identity=name.hex(), stored=stored)

    async def show(
        self,
        picture: Batch | None,
        *,
        source: str,
        parent: bytes,
        stored: Stored,
        edition: int = 0,
    ) -> None:
        """Keep a picture for people, under the name of the port ("operator.port") it came from."""
        if picture is None:
            await stored()
            return
        operator, _, port = source.partition(".")
        shown = operator if port == "out" else f"{operator}-{port}"
        name = identity(self._config.run, self._config.operator, shown, parent)
        await self._carrier.publish(
            f"{self._config.images_subject}.{shown}",
            _codec.pieces(picture, identity=name, edition=edition),
            place=self._pictures,
            identity=name.hex(),
            stored=stored,
            stays=_whole(picture),
        )

    async def send_end(
        self, origin: str, scans: int, *, lane: str, parent: bytes, stored: Stored | None = None
    ) -> None:
        """Say on every port that a source has made its last scan."""
        if self._sampling:
            await self._broker.flush()  # what is refused last is left out before the end
            for sampling in self._sampling.values():
                await sampling.flush()
        waiting = _Countdown(len(self.ports), stored)
        if not self.ports and stored is not None:
            await stored()
        for port, prefix in self.ports.items():
            name = identity(self._config.run, self._config.operator, port, parent)
            header = wire.Header(
                kind="end",
                scan=wire.encoded_scan(wire.Scan("end", (0,))),
                start=0,
                stop=0,
                identity=name,
                lane=lane,
                attributes={"source": origin, "scans": scans},
            )
            await self._broker.publish(
                f"{prefix}.{wire.END_MARK}-{origin}",
                wire.prefix_and_header(header),
                identity=name.hex(),
                stored=waiting.one,
            )

    async def send_all(
        self,
        outputs: dict[str, Batch],
        parent: bytes,
        lane: str,
        stored: Stored,
        edition: int = 0,
        traceparent: str = "",
    ) -> None:
        """Publish several ports' batches of one message; ``stored`` follows the last of them."""
        connected = [port for port in outputs if port in self.ports]
        if not connected:
            await stored()
        elif len(connected) > 1:
            stored = _Countdown(len(connected), stored).one
        for port in connected:
            await self.send(
                port, outputs[port], parent=parent, lane=lane, stored=stored, edition=edition,
                traceparent=traceparent,
            )  # fmt: skip


def tend(config: OperatorConfig, broker: Broker, replica: int) -> None:
    """Free what a former life left of large messages, now and from time to time."""
    letters = _chunks.place(config.dead_letter_chunks, config.dead_letter_stream)
    carrier = Carrier(broker, f"{config.operator}/{replica}")
    pictures = _chunks.place(config.images_chunks, config.images_stream, drops=True)
    carrier.tend([*(_place(port) for port in config.outputs), letters, pictures])


def _whole(batch: Batch) -> bool:
    """Whether it accounts for all of its scan: no later message may take its place."""
    return batch.start == 0 and batch.stop == batch.scan.total


def _place(port: OutputConfig) -> Place | None:
    drops = port.delivery == "Latest" or port.on_full == "DropOldest"
    return _chunks.place(port.chunks, port.stream, drops=drops)


def ending(header: wire.Header) -> tuple[str, int]:
    """The source that has ended, and how many scans it made.

    Raises:
        WireError: If the message does not say so.
    """
    origin, scans = header.attributes.get("source"), header.attributes.get("scans")
    if not isinstance(origin, str) or not isinstance(scans, int):
        raise wire.WireError(
            "attributes", header.attributes, "an end names its source and its scans"
        )
    return origin, scans


class _Countdown:
    """Calls back when it has been called so many times."""

    __slots__ = ("_left", "_then")

    def __init__(self, count: int, then: Stored | None) -> None:
        self._left = count
        self._then = then

    async def one(self) -> None:
        self._left -= 1
        if self._left == 0 and self._then is not None:
            await self._then()
