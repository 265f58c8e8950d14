"""The resource models: roles, deliveries, rules, and what a frozen model means."""

import pytest
from interact_api.choices import Guarantee, OnFull, Role
from interact_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from interact_api.model import Metadata
from interact_api.operator import InteractOperator, OperatorSpec, types
from interact_api.pipeline import Delivery, Pipeline, PipelineOperator
from interact_api.template import PodTemplate
from pydantic import ValidationError


def spec(**said):
    return OperatorSpec.model_validate({"image": "example/a:1", **said})


IN = [{"name": "frames", "type": "dense"}]
SIDE = [{"name": "dark", "type": "image", "join": "latest"}]
OUT = [{"name": "image", "type": "image"}]


@pytest.mark.parametrize(
    ("said", "role"),
    [
        pytest.param({"outputs": OUT}, Role.SOURCE, id="outputs only"),
        pytest.param({}, Role.SOURCE, id="no ports"),
        pytest.param({"inputs": IN, "outputs": OUT}, Role.TRANSFORM, id="both"),
        pytest.param({"inputs": IN}, Role.SINK, id="inputs only"),
        pytest.param(
            {"inputs": SIDE, "outputs": OUT}, Role.SOURCE, id="a source with a side input"
        ),
        pytest.param({"inputs": SIDE}, Role.SINK, id="a side input only"),
        pytest.param({"inputs": IN, "outputs": OUT, "role": "reducer"}, Role.REDUCER, id="said"),
    ],
)
def test_the_role_follows_from_the_ports(said, role):
    assert spec(**said).place is role


@pytest.mark.parametrize(
    ("said", "parallel"),
    [
        pytest.param({"inputs": IN, "outputs": OUT}, False, id="without a word"),
        pytest.param(
            {"inputs": IN, "outputs": OUT, "parallelConfig": {"type": "embarrassing"}},
            True,
            id="a transform",
        ),
        pytest.param(
            {"outputs": OUT, "parallelConfig": {"type": "embarrassing"}}, False, id="a source"
        ),
    ],
)
def test_only_what_has_inputs_runs_as_replicas(said, parallel):
    assert spec(**said).parallel is parallel


@pytest.mark.parametrize(
    "kind", ["", "Dense", "dense|", "dense,sparse", "any|dense", "frame", "dense|sparse\n"]
)
def test_a_type_is_of_the_known_words(kind):
    with pytest.raises(ValidationError, match="pattern"):
        spec(inputs=[{"name": "frames", "type": kind}])


def test_a_union_is_read_word_by_word():
    (port,) = spec(inputs=[{"name": "frames", "type": "dense|sparse"}]).inputs

    assert types(port) == ("dense", "sparse")


def test_a_pipeline_says_what_it_wants_of_a_port():
    operator = PipelineOperator.model_validate(
        {
            "name": "a",
            "operatorRef": {"name": "a"},
            "outputs": [{"name": "x", "delivery": {"guarantee": "Latest"}}],
        }
    )

    assert operator.delivery("x").guarantee is Guarantee.LATEST
    assert operator.delivery("y") == Delivery()
    assert operator.delivery("y").on_full is OnFull.BLOCK


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param({"env": [{"name": "A"}, {"name": "A"}]}, "'A' twice", id="a variable twice"),
        pytest.param(
            {"volumes": [{"name": "a"}]}, "exactly one kind of volume", id="a volume of no kind"
        ),
        pytest.param({"volumes": [{"name": "a", "hostPath": {}}]}, "forbidden", id="a host path"),
        pytest.param({"privileged": True}, "forbidden", id="a privileged pod"),
        pytest.param({"securityContext": {"runAsUser": 0}}, "greater than", id="root"),
        pytest.param({"env": [{"name": "INTERACT_CONFIG"}]}, "platform's own", id="our variable"),
        pytest.param(
            {"volumeMounts": [{"name": "a", "mountPath": "relative"}]}, "pattern", id="a loose path"
        ),
    ],
)
def test_a_template_cannot_loosen_what_is_fixed(said, message):
    with pytest.raises(ValidationError, match=message):
        PodTemplate.model_validate(said)


def test_a_model_is_never_changed_in_place():
    made = spec()

    with pytest.raises(ValidationError, match="frozen"):
        made.image = "other"  # type: ignore[misc]


def test_python_names_are_for_python_only():
    text = {"image": "a", "kernel_timeout": "3s"}

    assert OperatorSpec.model_validate(text).kernel_timeout == "3s"
    with pytest.raises(ValidationError, match="kernel_timeout"):
        OperatorSpec.model_validate(text, by_alias=True, by_name=False)


def test_an_object_is_written_with_what_was_said_only():
    made = Pipeline.model_validate(
        {"metadata": {"name": "scan"}, "spec": {"drain": False, "label": None}}
    )

    assert made.to_object() == {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": "scan"},
        "spec": {"drain": False},
    }


def test_what_a_server_adds_to_the_metadata_is_read():
    metadata = {
        "name": "scan",
        "uid": "1",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "kubectl"}],
        "ownerReferences": [{"kind": "Pipeline"}],
    }

    assert Metadata.model_validate(metadata).to_object() == metadata


def test_an_operator_of_the_future_is_not_guessed_at():
    with pytest.raises(ValidationError, match="apiVersion"):
        InteractOperator.model_validate(
            {
                "apiVersion": "interact.science/v2",
                "metadata": {"name": "a"},
                "spec": {"image": "a"},
            }
        )


def test_a_condition_carries_words_that_programs_may_branch_on():
    said = {
        "type": "Ready",
        "status": "False",
        "reason": "Cycle",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }

    made = Condition.model_validate(said)

    assert (made.type, made.status, made.reason) == (
        ConditionType.READY,
        ConditionStatus.FALSE,
        Reason.CYCLE,
    )
    with pytest.raises(ValidationError, match="reason"):
        Condition.model_validate({**said, "reason": "Because"})
