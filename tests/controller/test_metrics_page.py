"""The page about metrics is the one of this code, and names do not go away."""

from interact import _health_metrics
from interact_controller import metrics

from controller import metrics_page

OPERATORS = {
    "interact_frames_total", "interact_frame_bytes_total", "interact_message_duration_seconds",
    "interact_end_to_end_seconds", "interact_frame_errors_total", "interact_frames_dropped_total",
    "interact_inflight_messages", "interact_publish_blocked_seconds_total",
    "interact_parameter_revision", "interact_scan_completeness_ratio",
}  # fmt: skip
CONTROLLER = {
    "interact_edge_pending_messages", "interact_edge_ack_pending_messages", "interact_edge_bytes",
    "interact_edge_bytes_limit", "interact_edge_redelivered_messages",
    "interact_edge_oldest_message_age_seconds", "interact_dead_letter_messages_total",
    "interact_resource_condition",
}  # fmt: skip
"""Names are API: what was there stays."""


def test_the_page_shows_the_tables():
    assert metrics_page.PAGE.read_text(encoding="utf-8") == metrics_page.page(), (
        "run: PYTHONPATH=tests python -m controller.metrics_page"
    )


def test_the_names_that_others_rely_on_are_there():
    assert {one.name for one in _health_metrics.FAMILIES} >= OPERATORS
    assert {one.name for one in metrics.FAMILIES} >= CONTROLLER


def test_the_controller_s_own_metrics_are_all_on_the_page():
    families = {one.name for one in metrics.registry.collect()}
    known = {one.name for one in metrics.FAMILIES} | set(metrics_page.OWN)

    assert {name.removesuffix("_total") for name in known} == {
        name.removesuffix("_total") for name in families
    }


def test_no_metric_has_a_label_that_grows_without_bound():
    labels = {label for one in metrics.FAMILIES for label in one.labels}

    assert labels == {"namespace", "pipeline", "source", "target", "operator", "type", "reason"}
