"""What a message became, on its way out: outputs, pictures, and what cannot be sent."""

from collections.abc import Mapping, Sequence

from interact_api.config import InputConfig
from interact_api.wire import Header, WireError

from interact._batches import Batch
from interact._computing import Work
from interact._errors import TooLarge
from interact._kernel import Done, failure, settled
from interact._letters import Letters
from interact._operator import Operator
from interact._outlet import Outlet
from interact._ports import Stored


class Sending:
    """One replica's outputs."""

    def __init__(self, operator: Operator, outlet: Outlet, letters: Letters) -> None:
        self._display = operator.display
        self._outlet = outlet
        self._letters = letters

    async def send(
        self, works: Sequence[Work], given: Mapping[str, Batch], result: Done, answer: Stored
    ) -> None:
        """Publish what a message became; ``answer`` follows when all of it is stored."""
        entry, _, header, batch = works[0]
        if self._display:
            picture = result.outputs.get("display")
            await self._outlet.show(
                picture, source=entry.source, parent=header.identity, stored=answer,
                edition=header.edition,
            )  # fmt: skip
            return
        parent = header.identity if len(works) == 1 else b"".join(w[2].identity for w in works)
        lane = lane_of(entry, header) if entry.merges else header.lane
        outputs: dict[str, Batch] = {}
        for port, output in result.outputs.items():
            if output is not None and output.tombstones == batch.tombstones and not result.failed:
                outputs[port] = output
            elif output is not None or batch.stop > batch.start:
                outputs[port] = settled(batch, output, result.failed)
        try:
            await self._outlet.send_all(
                outputs, parent, lane, answer, header.edition, header.traceparent
            )
        except (TooLarge, WireError) as error:  # the same again however often it is tried
            failed = (failure(given, error),)
            await self._letters.failed(header, failed)
            nothing = {port: settled(batch, None, failed) for port in outputs}
            await self._outlet.send_all(
                nothing, parent, lane, answer, header.edition, header.traceparent
            )


def lane_of(entry: InputConfig, header: Header) -> str:
    """The path of what a message becomes: where lanes meet, each says where it came in."""
    return f"{header.lane}>{entry.source}" if entry.merges else header.lane
