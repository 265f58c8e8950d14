"""Choices of a specification that operator processes know, too, which load no resource models."""

from enum import StrEnum


class Join(StrEnum):
    """How an input meets the operator's other inputs: not, frame by frame, or as a side input."""

    NONE = "none"
    ZIP = "zip"
    LATEST = "latest"


class Guarantee(StrEnum):
    """What an output port promises its readers."""

    AT_LEAST_ONCE = "AtLeastOnce"
    LATEST = "Latest"


class Role(StrEnum):
    """The operator's place in a pipeline."""

    SOURCE = "source"
    TRANSFORM = "transform"
    REDUCER = "reducer"
    SINK = "sink"


class Storage(StrEnum):
    """Where a stream keeps its messages."""

    FILE = "File"
    MEMORY = "Memory"


class OnFull(StrEnum):
    """What a producer does when the stream is full."""

    BLOCK = "Block"
    DROP_OLDEST = "DropOldest"
    SAMPLE = "Sample"
