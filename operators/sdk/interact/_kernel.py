"""Calling a kernel: its arguments, its outputs, and the frames it fails on."""

import dataclasses
import traceback
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from interact._batches import WHOLE_KINDS, Batch, check_same_frames
from interact._errors import BatchError, TooLarge, TransientError
from interact._operator import Operator
from interact._scan import gaps

Outputs = dict[str, Batch | None]

MOST_WORDS = 2000
"""Characters of what a kernel raised that are kept: it travels in headers and reports."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """One frame a kernel could not do, and what it raised.

    ``kind`` is exception, transient, timeout or crash; ``attempts`` how often it was tried.
    """

    part: Mapping[str, Batch]
    error: str
    digest: str
    kind: str = "exception"
    attempts: int = 1


class Done(NamedTuple):
    """What one message became: an output for each port, and the frames that failed."""

    outputs: Outputs
    failed: tuple[Failed, ...] = ()


Search = Generator[Mapping[str, Batch], Outputs, Done]
"""Yields what to call a kernel with, takes its outputs or what it raised."""


class Kernel:
    """An operator's kernel with its parameters and dependencies filled in."""

    def __init__(self, operator: Operator, parameters: Mapping[str, Any]) -> None:
        self.operator = operator
        self.side: dict[str, Batch] = {}
        self.resources: tuple[Any, ...] = ()
        self.before_again: Callable[[], object] = dict
        """Called before each call that looks for the frames it fails on."""
        self.function = operator.function
        self._classic = operator.role == "classic"
        self._inputs = tuple(port.name for port in operator.inputs)
        alone = len(self._inputs) == 1 and operator.inputs[0].join != "latest"
        self._only = self._inputs[0] if alone and not self._classic else ""
        self._outputs = (
            ("display",) if operator.display else tuple(p.name for p in operator.outputs)
        )
        self._single = self._outputs[0] if len(self._outputs) == 1 else ""
        self.needed = tuple(
            p.name for p in operator.inputs if p.join == "latest" and not p.optional
        )
        self.parameters: dict[str, Any] = {}
        self.configure(parameters)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Use these values of the parameters from the next message on."""
        self._values = dict(values)
        self.parameters = {
            p.name: p.native(values.get(p.name, p.declared.default))
            for p in self.operator.parameters
        }

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Side inputs that have not come yet and that the kernel cannot do without."""
        if not self.needed:
            return ()
        return tuple(name for name in self.needed if name not in self.side)

    def call(self, given: Mapping[str, Batch]) -> Outputs:
        """Call the kernel once; None for a port means every frame was filtered.

        Raises:
            BatchError: If it returns what an operator cannot send.
        """
        if self._only:
            given_one = given[self._only]
            returned = self.function(given_one, *self.resources, **self.parameters)
            if self._single and isinstance(returned, Batch):
                if returned is not given_one:
                    check_same_frames(given_one, (returned,))
                return {self._single: returned}
        elif self._classic:
            (batch,) = given.values()
            returned = self.function(batch, dict(self._values))
        else:
            ports = [given.get(name, self.side.get(name)) for name in self._inputs]
            returned = self.function(*ports, *self.resources, **self.parameters)
        return self.outputs(returned, given)

    def outputs(self, returned: Any, given: Mapping[str, Batch]) -> Outputs:
        """What a kernel returned, by port."""
        ports = self._outputs
        name, anchor = self.operator.name, next(iter(given.values()))
        if isinstance(returned, Batch) or returned is None:
            returned = {ports[0]: returned} if len(ports) == 1 else dict.fromkeys(ports, returned)
        if not isinstance(returned, dict):
            expected = " or ".join(ports) or "nothing"
            raise BatchError(
                f"operator {name} returned {type(returned).__name__}, expected a batch for {expected}; "
                "make one with frames.values(…), .dense(…), .sparse(…) or .select(…)"
            )
        unknown = set(returned) - set(ports)
        if unknown and any(returned[port] is not None for port in unknown):
            raise BatchError(
                f"operator {name} returned port {sorted(unknown)[0]!r}; it has {', '.join(ports) or 'none'}"
            )
        result: Outputs = {port: returned.get(port) for port in ports}
        check_same_frames(anchor, [batch for batch in result.values() if batch is not None])
        return result

    def process(self, given: Mapping[str, Batch], *, last: bool = False) -> Done:
        """Call the kernel; frames it fails on are found by halving and left out.

        Args:
            given: One message's batches, by input port.
            last: Whether there is no other try.

        Raises:
            TransientError: If the kernel asks for another try, and this is not the last.
        """
        try:
            return Done(self.call(given))
        except Exception as error:  # whatever a kernel raises concerns its frames
            search = self.search(given, error, last=last)
        step: Callable[[], Mapping[str, Batch]] = partial(next, search)
        try:
            while True:
                part = step()
                self.before_again()
                try:
                    step = partial(search.send, self.call(part))
                except Exception as error:
                    step = partial(search.throw, error)
        except StopIteration as found:
            done: Done = found.value
            return done

    def search(self, given: Mapping[str, Batch], error: Exception, *, last: bool) -> Search:
        """Find the frames a kernel fails on: asks for calls, is told what they gave or raised.

        Raises:
            TransientError: If the kernel asks for another try, and this is not the last.
        """
        failed = yield from self._failing(given, _checked(error, last=last), last=last)
        left = _without(given, failed)
        nothing: Outputs = dict.fromkeys((p.name for p in self.operator.outputs), None)
        if not any(len(batch) for batch in left.values()):
            return Done(nothing, failed)
        try:
            return Done((yield left), failed)
        except Exception as again:  # fails only as a whole: all of it is kept aside
            return Done(nothing, (failure(given, _checked(again, last=last)),))

    def _failing(
        self, given: Mapping[str, Batch], error: Exception, *, last: bool
    ) -> Generator[Mapping[str, Batch], Outputs, tuple[Failed, ...]]:
        frames = min((len(batch) for batch in given.values()), default=0)
        whole = not all(batch.divisible for batch in given.values())
        if whole or frames <= 1 or len({len(b) for b in given.values()}) > 1:
            return (failure(given, error),)
        middle = frames // 2
        found: list[Failed] = []
        for half in (np.arange(frames) < middle, np.arange(frames) >= middle):
            part = {port: batch.select(half, reason="apart") for port, batch in given.items()}
            try:
                yield part
            except Exception as again:
                found += yield from self._failing(part, _checked(again, last=last), last=last)
        return tuple(found) or (failure(given, error),)


def _checked(error: Exception, *, last: bool) -> Exception:
    """What concerns a frame; another try that can be had concerns the message."""
    if isinstance(error, TransientError) and not last:
        raise error
    return error


def settled(given: Batch, output: Batch | None, failed: tuple[Failed, ...]) -> Batch:
    """What to send for a port: the output with the whole coverage of its input.

    Frames the kernel left out are filtered, those that failed say so.
    """
    if output is not None and not failed and output.tombstones == given.tombstones:
        return output
    lost = [batch.index for failure in failed for batch in failure.part.values()]
    if output is None:
        output = Batch(**{**given.frame(), "tombstones": (), "y": None, "x": None})
        left = np.empty(0, np.int64)
        known = given.tombstones
    else:
        left, known = output.index, given.tombstones
    if given.stop == given.start:
        return output
    if lost:
        survivors = np.setdiff1d(given.index, np.concatenate(lost))
        known = gaps(given.start, given.stop, known, survivors, "failed")
    return output.replace(tombstones=gaps(given.start, given.stop, known, left, "filtered"))


def _without(given: Mapping[str, Batch], failed: tuple[Failed, ...]) -> dict[str, Batch]:
    lost = np.concatenate([b.index for failure in failed for b in failure.part.values()])
    left: dict[str, Batch] = {}
    for port, batch in given.items():
        if batch.kind in WHOLE_KINDS:
            return {port: Batch(**{**batch.frame(), "stop": batch.start, "tombstones": ()})}
        left[port] = batch.select(~np.isin(batch.index, lost), reason="failed")
    return left


def failure(given: Mapping[str, Batch], error: Exception, *, attempts: int = 1) -> Failed:
    """All frames of a message as failed, with what was raised."""
    trace = "".join(traceback.format_exception(error, limit=-4))
    kind = error.kind if isinstance(error, TransientError) else "exception"
    kind = "too-large" if isinstance(error, TooLarge) else kind
    words = f"{type(error).__name__}: {error}"[:MOST_WORDS]
    return Failed(given, words, trace[-MOST_WORDS:], kind, attempts)
