"""Loading: good texts become resources, bad ones say everything that is wrong, and where."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from interact_api.choices import OnFull
from interact_api.load import Resources, SpecError, load

OPERATOR = """
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: reader}
spec:
  image: example/reader:1
  outputs: [{name: frames, type: dense}]
  parameters: [{name: rate, type: float, default: 1, minimum: 0}]
"""
PIPELINE = """
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: scan}
spec:
  operators:
  - name: source
    operatorRef: {name: reader}
    outputs: [{name: frames, delivery: {onFull: Sample, maxBytes: 64Mi}}]
"""
LEAVES = st.none() | st.booleans() | st.integers() | st.text("a.-/", max_size=4)
KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "name",
        "operators",
        "edges",
        "from",
        "to",
        "image",
        "inputs",
        "parameters",
        "type",
        "default",
        "options",
        "template",
        "env",
        "volumes",
        "x",
    ]
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)
)
HEADS = st.sampled_from(["InteractOperator", "Pipeline"])


def problems(text, **options):
    with pytest.raises(SpecError) as caught:
        load(text, origin="scan.yaml", **options)
    return [str(one) for one in caught.value.problems]


def verdict(text):
    """The problems of a text; none if it loads."""
    try:
        load(text, operators={})
    except SpecError as error:
        return error.problems
    return ()


def test_operators_and_pipelines_of_one_text_are_read():
    loaded = load(f"{OPERATOR}\n---\n{PIPELINE}\n---\n", origin="scan.yaml", operators={})

    assert list(loaded.catalogue()) == ["reader"]
    assert loaded.pipelines[0].spec.operators[0].delivery("frames").on_full is OnFull.SAMPLE
    assert loaded.operators[0].spec.parameters[0].default == 1


def test_an_empty_text_holds_nothing():
    assert load("---\n---\n") == Resources()


def test_what_is_loaded_is_written_back_as_it_was():
    (loaded,) = load(PIPELINE).pipelines

    assert loaded.to_object() == yaml.safe_load(PIPELINE)


def test_a_pipeline_is_checked_only_when_the_operators_are_known():
    assert load(PIPELINE).pipelines
    (found,) = problems(PIPELINE, operators={})
    assert found == (
        "scan.yaml:1: spec.operators[0].operatorRef.name: there is no InteractOperator 'reader'; "
        "apply it, or choose one of: none"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "operatorRef", "operatorReff", "did you mean operatorRef?", id="a misspelt field"
        ),
        pytest.param(
            "{name: reader}",
            "{}",
            "spec.operators[0].operatorRef.name: required field; add it",
            id="a field left out",
        ),
        pytest.param(
            "onFull: Sample",
            "onFull: sample",
            "delivery.onFull: 'sample': Input should be 'Block', 'DropOldest' or 'Sample'",
            id="a wrong word",
        ),
        pytest.param(
            "64Mi",
            "64 MB",
            "delivery.maxBytes: '64 MB': a size in bytes is 256Mi",
            id="a wrong size",
        ),
        pytest.param(
            "name: source",
            "name: Source_1",
            "spec.operators[0].name: 'Source_1': must match",
            id="a name Kubernetes would refuse",
        ),
        pytest.param(
            "name: source",
            "replicas: '3'\n    name: source",
            "spec.operators[0].replicas: '3': Input should be a whole number",
            id="a number in quotes",
        ),
        pytest.param(
            "name: source",
            "replicas: 2\n    scale: {max: 3}\n    name: source",
            "spec.operators[0]: give replicas or scale, not both",
            id="two fields that exclude each other",
        ),
        pytest.param(
            "kind: Pipeline",
            "kind: Pipelin",
            "kind: 'Pipelin': unknown kind; did you mean Pipeline?",
            id="a misspelt kind",
        ),
        pytest.param(
            "v1alpha1", "v2", "this build does not know the version", id="a version of the future"
        ),
        pytest.param(
            "interact.science/v1alpha1", "v1", "not a resource of Interact", id="another's resource"
        ),
        pytest.param(
            "metadata: {name: scan}",
            "metadata: {name: scan, lables: {}}",
            "did you mean labels?",
            id="a misspelt field of the metadata",
        ),
        pytest.param(
            "spec:\n",
            "spec: 7\nother:\n",
            "spec: 7: Input should be a valid dictionary",
            id="a number for a mapping",
        ),
    ],
)
def test_a_mistake_is_shown_with_its_place_and_remedy(old, new, message):
    found = problems(PIPELINE.replace(old, new))

    assert any(message in one for one in found), found
    assert all(one.startswith("scan.yaml:1: ") for one in found)


def test_all_mistakes_of_all_documents_are_shown_at_once():
    text = "\n---\n".join(
        [
            OPERATOR.replace("type: dense", "type: thick").replace("image:", "imag:"),
            "- a list",
            OPERATOR,
            OPERATOR,
            PIPELINE.replace("Sample", "sample").replace("64Mi", "0"),
            OPERATOR.replace("default: 1", "default: -1").replace("reader}", "slow}"),
        ]
    )

    found = problems(text)

    assert [one.split(": ", 2)[:2] for one in found] == [
        ["scan.yaml:1", "spec.image"],
        ["scan.yaml:1", "spec.outputs[0].type"],
        ["scan.yaml:1", "spec.imag"],
        ["scan.yaml:2", "list of 1"],
        ["scan.yaml:5", "spec.operators[0].outputs[0].delivery.maxBytes"],
        ["scan.yaml:5", "spec.operators[0].outputs[0].delivery.onFull"],
        ["scan.yaml:4", "metadata.name"],
        ["scan.yaml:6", "spec.parameters[0].default"],
    ]


def test_names_given_twice_are_refused():
    twice = PIPELINE + "  - name: source\n    operatorRef: {name: reader}\n"

    (found,) = problems(twice)

    assert found == "scan.yaml:1: spec: operators has 'source' twice; remove one"


def test_text_that_is_no_yaml_names_the_line():
    assert problems("a: 1\na: 2") == ["scan.yaml: line 2: the key 'a' occurs twice; remove one"]


def test_null_is_read_as_absent():
    text = PIPELINE + "    replicas: null\n    parameters:\n  drain: null\n"

    (loaded,) = load(text).pipelines

    assert (loaded.spec.operators[0].replicas, loaded.spec.drain) == (None, False)


@given(HEADS, TREES, TREES)
def test_any_structure_is_loaded_or_refused(kind, metadata, spec):
    data = {
        "apiVersion": "interact.science/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }

    assert all(one.rule and one.path for one in verdict(yaml.safe_dump(data)))


@given(st.text(max_size=200))
def test_any_text_is_loaded_or_refused(text):
    verdict(text)
