"""What an operator process counts, in the text format of Prometheus; names and labels are API. Pure.

Every series has the labels pipeline and operator; none has one of a pod, a frame or a scan.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from interact_api.buckets import SECONDS

from interact._tally import Tally

Values = Mapping[tuple[str, ...], float]
"""Values by those of the labels that follow pipeline and operator."""


@dataclass(frozen=True)
class Family:
    """One metric: its name, its kind, what it is, and its labels after pipeline and operator."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


FRAMES: Final = Family(
    "interact_frames_total", "counter", "Frames taken and sent.", ("port", "direction")
)
BYTES: Final = Family(
    "interact_frame_bytes_total", "counter", "Bytes of messages taken and sent.", ("port", "direction")
)  # fmt: skip
DURATION: Final = Family(
    "interact_message_duration_seconds", "histogram", "Time of the kernel for one message."
)
DELAY: Final = Family(
    "interact_end_to_end_seconds", "histogram", "From the source to the end of the work on a message."
)  # fmt: skip
ERRORS: Final = Family(
    "interact_frame_errors_total", "counter", "Frames and messages kept aside.", ("kind",)
)
DROPPED: Final = Family(
    "interact_frames_dropped_total", "counter", "Frames left out on purpose.", ("reason",)
)
INFLIGHT: Final = Family(
    "interact_inflight_messages", "gauge", "Taken and not acknowledged; sent and not stored at a source."
)  # fmt: skip
BLOCKED: Final = Family(
    "interact_publish_blocked_seconds_total", "counter", "Waited for room in streams."
)
REVISION: Final = Family(
    "interact_parameter_revision", "gauge", "Revision of the parameters in use."
)
COMPLETENESS: Final = Family(
    "interact_scan_completeness_ratio", "gauge", "Share of the latest scan that is accounted for."
)
TRIGGERS: Final = Family(
    "interact_triggers_total", "counter", "Calls of triggers that were answered.", ("state",)
)
FAMILIES: Final = (
    FRAMES, BYTES, DURATION, DELAY, ERRORS, DROPPED, INFLIGHT, BLOCKED, REVISION, COMPLETENESS,
    TRIGGERS,
)  # fmt: skip


def text(tally: Tally, pipeline: str) -> str:
    """The counters of one replica."""
    fixed = (("pipeline", pipeline), ("operator", tally.operator))
    histograms = {
        DURATION: (tally.durations.counts, tally.kernel_seconds),
        DELAY: (tally.delays.counts, tally.delays.total),
    }
    values = _values(tally)
    lines: list[str] = []
    for family in FAMILIES:
        lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
        if family in histograms:
            lines += _histogram(family, fixed, *histograms[family])
            continue
        for labels, number in values[family].items():
            said = _labels((*fixed, *zip(family.labels, labels, strict=True)))
            lines.append(f"{family.name}{said} {number}")
    return "".join(f"{line}\n" for line in lines)


def _values(tally: Tally) -> dict[Family, Values]:
    ports = [("in", tally.ports_in), ("out", tally.ports_out)]
    errors: dict[tuple[str, ...], float] = {(kind,): n for kind, n in tally.failures.items()}
    errors["undecodable",] = errors.get(("undecodable",), 0) + tally.undecodable
    completeness = tally.completeness
    return {
        FRAMES: {(port, way): n[0] for way, known in ports for port, n in known.items()},
        BYTES: {(port, way): n[1] for way, known in ports for port, n in known.items()},
        ERRORS: errors,
        DROPPED: {(reason,): count for reason, count in tally.dropped.items()},
        INFLIGHT: {(): tally.inflight()},
        BLOCKED: {(): tally.blocked()},
        REVISION: {(): tally.revision},
        COMPLETENESS: {} if completeness is None else {(): completeness},
        TRIGGERS: {(outcome,): count for outcome, count in tally.triggers.items()},
    }


def _histogram(
    family: Family, fixed: tuple[tuple[str, str], ...], counts: Sequence[int], total: float
) -> Iterator[str]:
    below = 0
    for bound, count in zip((*SECONDS, "+Inf"), counts, strict=True):
        below += count
        yield f"{family.name}_bucket{_labels((*fixed, ('le', str(bound))))} {below}"
    yield f"{family.name}_sum{_labels(fixed)} {total}"
    yield f"{family.name}_count{_labels(fixed)} {below}"


def _labels(named: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in named) + "}"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
