"""What a real API server says to the CRDs, and to objects of every shape."""

import copy
import random
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from api import specimens
from api.specimens import EDITS, FULL_OPERATOR, FULL_PIPELINE, changed, conforming
from cluster import servers
from cluster.kube import KubeError, condition
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from interact_api import crd, structural
from interact_api.admission import admission_errors

FULL = copy.deepcopy(specimens.FULL)
FULL["system"]["metadata"]["name"] = f"hpc-{secrets.token_hex(3)}"  # other workers have their own
KINDS = {one.kind: one for one in crd.KINDS}
SCHEMAS = {kind: structural.schema(one.model) for kind, one in KINDS.items()}
RELEASED = sorted((servers.CRDS / "released").iterdir())
BATCH = 20
WORDS = {one["kind"]: word for word, one in FULL.items()}
WORKERS = ThreadPoolExecutor(8)


def without_status(full):
    """The object as people write it."""
    return {key: value for key, value in full.items() if key != "status"}


@pytest.fixture(scope="module")
def stored(plane):
    """A client of a namespace that holds the full objects.

    The system, which has no namespace, stays: another worker may be at it.
    """
    name = f"api-server-{secrets.token_hex(3)}"  # one for each worker
    kube = plane.kube(name)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for full in FULL.values():
        kube.apply(without_status(full))
    yield kube
    kube.delete("namespaces", name)


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_the_crds_are_established_as_they_are_written(stored, kind):
    found = stored.get("customresourcedefinitions", kind.name)

    for word in ("Established", "NamesAccepted"):
        assert condition(found, word)["status"] == "True"
    assert condition(found, "NonStructuralSchema") == {}
    assert found["spec"]["versions"] == yaml.safe_load(crd.document(kind))["spec"]["versions"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_server_tells_what_every_field_means(stored, kind):
    """``kubectl explain`` reads what is asked for here."""
    group = stored.request("GET", "/openapi/v3/apis/interact.science/v1alpha1")
    (told,) = (
        one
        for one in group["components"]["schemas"].values()
        if any(gvk["kind"] == kind for gvk in one.get("x-kubernetes-group-version-kind", ()))
    )
    said = {path: node.get("description") for path, node in structural.walk(told)}

    for path, node in structural.walk(SCHEMAS[kind]):
        if path[:1] in {("spec",), ("status",)}:
            assert said.get(path) == node.get("description"), path


@pytest.mark.parametrize("kind", KINDS)
def test_kubectl_explains_the_spec_and_the_status(plane, stored, kind):
    for part in ("spec", "status"):
        said = " ".join(plane.kubectl("explain", f"{KINDS[kind].plural}.{part}").split())

        for name, child in SCHEMAS[kind]["properties"][part]["properties"].items():
            assert f" {name} <" in said
            assert " ".join(child["description"].split()) in said


SEEDS = st.integers(0, 2**64)


def conforming_part(full, part):
    """Objects whose spec, or status, is made by their schema."""
    node = SCHEMAS[full["kind"]]["properties"][part]
    return SEEDS.map(lambda seed: full | {part: conforming(node, random.Random(seed))})


WRITTEN = [without_status(one) for one in FULL.values()]
SPECS = st.one_of(
    st.builds(changed, st.sampled_from(WRITTEN), EDITS),
    *(conforming_part(one, "spec") for one in WRITTEN),
)
STATUSES = st.one_of([conforming_part(one, "status") for one in FULL.values()])


def refusal(kube, method, path, data):
    """Why the API server refuses to store an object, which it is only asked; nothing if it does."""
    try:
        kube.request(method, path, data, dryRun="All", fieldValidation="Strict")
    except KubeError as error:
        if error.status not in {400, 422}:
            raise
        return str(error)
    return None


def compare(objects, ask, examples, before=lambda _kind: None):
    """Ask the API server and `admission_errors` about many objects, and compare.

    Args:
        objects: A strategy for them.
        ask: Gives what the API server says to one, None if it takes it.
        examples: Number of batches.
        before: Gives the object of a kind that is stored, where those are changes of it.

    Gives how many objects there were, and which share was refused.
    """
    refused, differ = [], []

    @settings(max_examples=examples, phases=[Phase.generate])  # shrinking batches takes minutes
    @given(st.lists(objects, min_size=BATCH, max_size=BATCH))
    def look(batch):
        answers = list(WORKERS.map(ask, batch))
        for one, answer in zip(batch, answers, strict=True):
            verdict = admission_errors(one, before(one["kind"]))
            refused.append(answer is not None)
            if (answer is None) != (not verdict):
                differ.append(f"{yaml.safe_dump(one)}\nAPI server: {answer}\nwe: {verdict}")

    look()
    assert not differ, min(differ, key=len)
    return len(refused), sum(refused) / len(refused)


@pytest.mark.timeout(400)
def test_the_api_server_admits_what_admission_errors_admits(stored):
    def of_new(data):
        if KINDS[data["kind"]].scope == "Cluster":
            data = data | {"metadata": {"name": "another"}}  # no namespace has room for it
        path = stored.path(KINDS[data["kind"]].plural, namespace="default")
        return refusal(stored, "POST", path, data)

    count, share = compare(SPECS, of_new, examples=105)

    assert count >= 2_000
    assert 0.2 < share < 0.8


@pytest.mark.timeout(400)
def test_the_api_server_admits_the_statuses_that_admission_errors_admits(stored):
    paths = {
        kind: stored.path(KINDS[kind].plural, FULL[word]["metadata"]["name"])
        for kind, word in WORDS.items()
    }
    there = {kind: stored.request("GET", path) for kind, path in paths.items()}

    def of_status(data):
        kind = data["kind"]
        version = there[kind]["metadata"]["resourceVersion"]
        metadata = data["metadata"] | {"resourceVersion": version}
        return refusal(stored, "PUT", f"{paths[kind]}/status", data | {"metadata": metadata})

    _, share = compare(STATUSES, of_status, examples=30, before=there.__getitem__)

    assert 0.1 < share < 0.9


def test_people_see_columns_and_short_names(plane, stored):
    for full in FULL.values():
        path = KINDS[full["kind"]].plural
        if full["kind"] == "ExternalRun":
            begun = {"phase": "CREATED", "attempt": 1}
            stored.patch_status(path, full["metadata"]["name"], begun)
            stored.patch_status(path, full["metadata"]["name"], begun | {"attempt": 2})
        stored.patch_status(path, full["metadata"]["name"], full["status"])

    operators = plane.kubectl("get", "iop", "-n", stored.namespace).splitlines()
    pipelines = plane.kubectl("get", "ipl", "-n", stored.namespace, "-o", "wide").splitlines()
    runs = plane.kubectl("get", "xrun", "-n", stored.namespace).splitlines()
    systems = plane.kubectl("get", "xsys", FULL["system"]["metadata"]["name"]).splitlines()
    all_of_it = plane.kubectl("get", "interact", "-n", stored.namespace, "-o", "name").split()

    for kind, header in (
        ("InteractOperator", operators[0]),
        ("Pipeline", pipelines[0]),
        ("ExternalRun", runs[0]),
        ("ExternalSystem", systems[0]),
    ):
        shown = [one for one in KINDS[kind].columns if kind == "Pipeline" or not one.priority]
        assert header.split() == " ".join(["NAME", *(one.name.upper() for one in shown)]).split()
    assert operators[1].split()[:2] == ["centre", "True"]
    assert pipelines[1].split()[:5] == ["scan", "Running", "1/2", "12", "4"]
    assert runs[1].split()[:5] == ["reduce-1", "slurm", "RUNNING", "992", "2"]
    assert systems[1].split()[1:5] == ["True", "http", "2", "50"]
    assert set(all_of_it) >= {
        "externalrun.interact.science/reduce-1",
        "interactoperator.interact.science/centre",
        "pipeline.interact.science/scan",
    }


def largest_pipeline():
    """As many operators and edges as the schema allows, with long names."""
    spec = SCHEMAS["Pipeline"]["properties"]["spec"]["properties"]
    names = [f"{number:0>63}" for number in range(spec["operators"]["maxItems"])]
    outputs = [
        {"name": f"o{number}", "delivery": {"holdsScan": True, "maxBytes": "1Gi"}}
        for number in range(32)
    ]
    env = [{"name": f"E{number}", "value": "x" * 40} for number in range(32)]
    return {
        "apiVersion": FULL_PIPELINE["apiVersion"], "kind": "Pipeline", "metadata": {"name": "largest"},
        "spec": {
            "operators": [{"name": name, "operatorRef": {"name": "a"}, "outputs": outputs,
                           "template": {"env": env}} for name in names],
            "edges": [{"from": f"{names[number % 64]}.o{number}", "to": f"{names[number % 63 + 1]}.i"}
                      for number in range(spec["edges"]["maxItems"])],
        },
    }  # fmt: skip


def largest_operator():
    """As many ports, parameters, triggers and variables as the schema allows."""
    enum = {"type": "str-enum", "options": ["x" * 200] * 16, "default": "x" * 200}
    parameters = [{"name": f"p{number}", **enum} for number in range(128)]
    ports = [{"name": f"i{number}", "type": "any", "join": "zip"} for number in range(32)]
    env = [{"name": f"E{number}", "value": "x" * 1000} for number in range(128)]
    triggers = [{"name": f"t{number}", "parameters": parameters[:32]} for number in range(32)]
    return {
        "apiVersion": FULL_OPERATOR["apiVersion"], "kind": "InteractOperator", "metadata": {"name": "largest"},
        "spec": {"image": "a", "role": "transform", "inputs": ports, "parameters": parameters[:64],
                 "triggers": triggers[:8], "template": {"env": env}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "largest", [largest_pipeline, largest_operator], ids=lambda made: made.__name__
)
def test_the_rules_are_affordable_for_the_largest_objects(stored, largest):
    """The API server gives up on rules that cost too much, and refuses the object."""
    data = largest()
    path = stored.path(KINDS[data["kind"]].plural, namespace="default")

    assert admission_errors(data) == ()
    assert refusal(stored, "POST", path, data) is None


@pytest.mark.parametrize("version", RELEASED, ids=lambda folder: folder.name)
def test_objects_of_an_older_version_survive_the_newer_crds(separate_plane, version):
    own = separate_plane(crds=version)
    kube = own.kube()
    known = {path.name for path in version.iterdir()}
    kept_full = [one for one in FULL.values() if f"{KINDS[one['kind']].name}.yaml" in known]
    for full in kept_full:
        kube.apply(without_status(full))
        kube.patch_status(KINDS[full["kind"]].plural, full["metadata"]["name"], full["status"])

    own.install(servers.CRDS)

    assert kept_full
    for full in kept_full:
        plural, name = KINDS[full["kind"]].plural, full["metadata"]["name"]
        kept = kube.patch(plural, name, {"metadata": {"labels": {"seen": "yes"}}})
        again = kube.patch_status(plural, name, {"observedGeneration": 9})
        assert kept["spec"] == again["spec"]
        assert kept["metadata"]["generation"] == 1
        assert {key: kept["spec"][key] for key in full["spec"]}.keys() == full["spec"].keys()
        assert kept["status"] == full["status"]
        assert admission_errors(full | {"spec": kept["spec"]}) == ()
