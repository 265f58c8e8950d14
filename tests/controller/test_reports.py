"""Reports of operator processes reach the board of their pipeline, and no others are kept."""

import msgspec
import pytest
from controller.building import catalogue, chain
from interact_api import streams
from interact_api.plain import mapping
from interact_api.report import Report
from interact_api.stream_plan import PlanSettings
from interact_controller import observed
from interact_controller.reports import Reports
from interact_controller.seen import Key, Kind

TOLD = Report("r", 0, 1, "running", "Source", frames_out=7)


@pytest.fixture
def woken() -> list[Key]:
    return []


class Clock:
    """Seconds that pass when a test says so."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reports(woken: list[Key], clock: Clock) -> Reports:
    """Those of one pipeline whose reconcile has told who there should be."""
    one = Reports(woken.append, clock)
    operators = {
        str(mapping(found["metadata"])["name"]): observed.operator(found) for found in catalogue()
    }
    plan = streams.plan(observed.pipeline(chain()), operators, PlanSettings("lab", "here", "n1"))
    configs = {("scan", name): config for name, config in plan.operators.items()}
    one.board("lab", "scan").assign(configs, {}, 1000.0)
    return one


def test_new_words_wake_the_pipeline_and_new_counters_do_not(
    reports: Reports, woken: list[Key]
) -> None:
    for frames in range(5):
        reports.hear("lab", "scan", msgspec.structs.replace(TOLD, frames_out=frames))
    first = list(woken)

    reports.hear("lab", "scan", msgspec.structs.replace(TOLD, state="done", frames_out=5))

    key = Key(Kind.PIPELINE, "lab", "scan")
    assert (first, woken) == ([key, key], [key, key, key])  # words, and that frames began
    assert reports.board("lab", "scan").operators["scan", "r"].frames == 5


def test_frames_after_a_quiet_time_wake_the_pipeline(
    reports: Reports, woken: list[Key], clock: Clock
) -> None:
    reports.hear("lab", "scan", TOLD)
    known = len(woken)

    for seconds, frames in ((1, 8), (20, 8), (21, 9), (22, 10)):
        clock.seconds = 1000.0 + seconds
        reports.hear("lab", "scan", msgspec.structs.replace(TOLD, frames_out=frames))

    assert len(woken) == known + 1


@pytest.mark.parametrize(
    ("namespace", "pipeline", "told"),
    [
        pytest.param("lab", "other", TOLD, id="a pipeline nobody asked for"),
        pytest.param("elsewhere", "scan", TOLD, id="another namespace"),
        pytest.param("lab", "scan", msgspec.structs.replace(TOLD, operator="x"), id="an operator that is not in it"),
        pytest.param("lab", "scan", msgspec.structs.replace(TOLD, run="n0"), id="an earlier run"),
    ],
)  # fmt: skip
def test_what_nobody_asked_for_is_left_out(
    reports: Reports, woken: list[Key], namespace: str, pipeline: str, told: Report
) -> None:
    reports.hear(namespace, pipeline, told)

    assert woken == []
    assert reports.board("lab", "scan").operators["scan", "r"].frames == 0


def test_a_pipeline_that_is_gone_takes_its_board_along(reports: Reports, woken: list[Key]) -> None:
    reports.forget("lab", "scan")

    reports.hear("lab", "scan", TOLD)

    assert woken == []
    assert reports.board("lab", "scan").operators == {}
