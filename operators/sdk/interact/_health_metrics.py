"""What an operator process counts, in the text format of Prometheus. Pure."""

from collections.abc import Iterator

from interact_api.report import Report


def text(report: Report, pipeline: str) -> str:
    """The counters of one replica; names and labels are API."""
    return "".join(f"{line}\n" for line in _lines(report, pipeline))


def _lines(report: Report, pipeline: str) -> Iterator[str]:
    fixed = {"pipeline": pipeline, "operator": report.operator}
    families = (
        ("interact_frames_total", "counter", "Frames taken and sent.", "direction",
         {"in": report.frames_in, "out": report.frames_out}),
        ("interact_frame_bytes_total", "counter", "Bytes of messages taken and sent.", "direction",
         {"in": report.bytes_in, "out": report.bytes_out}),
        ("interact_frame_errors_total", "counter", "Frames and messages kept aside.", "kind",
         {"kernel": report.frames_failed, "undecodable": report.undecodable}),
        ("interact_publish_blocked_seconds_total", "counter", "Waited for room in streams.", "",
         {"": report.blocked_seconds}),
        ("interact_parameter_revision", "gauge", "Revision of the parameters in use.", "",
         {"": report.revision}),
    )  # fmt: skip
    for name, kind, words, label, values in families:
        yield f"# HELP {name} {words}"
        yield f"# TYPE {name} {kind}"
        for value, number in values.items():
            labels = {**fixed, label: value} if label else fixed
            listed = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
            yield f"{name}{{{listed}}} {number}"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
