"""The example pipelines: valid, and what they name is there and may be shipped."""

from pathlib import Path

import pytest
from interact_api import graph
from interact_api.load import load
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline

NAMES = ("srtio3", "xray", "ebsd")
RAW = {".h5", ".npz", ".bz2", ".json", ".npy", ".mib", ".mrc"}


def pipeline(repository: Path, name: str) -> Pipeline:
    file = repository / "examples" / name / "pipeline.yaml"
    (one,) = load(file.read_text(encoding="utf-8"), origin=str(file)).pipelines
    return one


@pytest.fixture(scope="module")
def operators(repository: Path) -> dict[str, InteractOperator]:
    found = {}
    for file in sorted(repository.glob("operators/*/operator.yaml")):
        found.update(load(file.read_text(encoding="utf-8"), origin=str(file)).catalogue())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_can_run_with_the_shipped_operators(repository, operators, name):
    one = pipeline(repository, name)

    assert graph.problems(one, operators) == ()
    assert one.metadata.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_port_would_be_found(repository, operators, name):
    one = pipeline(repository, name)
    edges = (one.spec.edges[0].model_copy(update={"target": "moments.frame"}), *one.spec.edges[1:])
    broken = one.model_copy(update={"spec": one.spec.model_copy(update={"edges": edges})})

    assert graph.problems(broken, operators)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_a_pipeline_reads_lies_beside_it(repository, name):
    reader = pipeline(repository, name).spec.operators[0]
    path = str(reader.parameters["path"])

    assert not Path(path).is_absolute()
    assert (repository / "examples" / name / path).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_of_a_pipeline_is_displayed(repository, name):
    spec = pipeline(repository, name).spec
    reductions = {"center-of-mass-reduce", "dpc", "scan-image", "diffraction-pattern-accumulator"}

    made = {one.name for one in spec.operators if one.operator_ref.name in reductions}
    shown = {edge.source.partition(".")[0] for edge in spec.edges if edge.target == "display.image"}

    assert made == shown


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_data_is_told_of_in_the_notice(repository, name):
    folder = repository / "examples" / name
    notice = (folder / "NOTICE").read_text(encoding="utf-8")

    data = {file.name for file in folder.iterdir() if file.suffix in RAW}
    assert data
    assert {file for file in data if file not in notice} == set()


def test_no_example_holds_data_under_the_gpl(repository):
    words = [file.read_text(encoding="utf-8") for file in repository.glob("examples/*/NOTICE")]
    licences = [line for text in words for line in text.splitlines() if "Licence" in line]

    assert len(licences) >= len(NAMES)
    assert not [line for line in licences if "GPL" in line or "General Public" in line]


def test_what_is_simulated_says_so(repository):
    folder = repository / "examples" / "srtio3"

    assert "SIMULATED" in (folder / "NOTICE").read_text(encoding="utf-8")
    assert "simulated" in str(pipeline(repository, "srtio3").spec.operators[0].parameters["path"])
    assert "simulated" in pipeline(repository, "srtio3").spec.label
