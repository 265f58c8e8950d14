"""What a command line names: files, operators' code, overrides. Every mistake is told at once."""

from pathlib import Path

import pytest
from cli import programs
from interact.cli import catalogue, overrides, plans
from interact.cli.app import app
from interact.cli.exits import CommandError, Exit
from typer.testing import CliRunner


def found(desk, *arguments, folders=()):
    files = arguments or ("pipeline.yaml",)
    return catalogue.catalogue([str(desk.folder / file) for file in files], folders)


def refused(call, *arguments, **options):
    with pytest.raises(CommandError) as caught:
        call(*arguments, **options)
    assert caught.value.code is Exit.USAGE
    return caught.value.lines


def patched(desk, *sets, replicas=()):
    read = found(desk)
    (pipeline,) = overrides.applied(read, overrides.parse(sets, replicas))
    return {one.name: one for one in pipeline.spec.operators}


def test_operators_are_found_beside_the_pipeline_by_their_folder(desk, operators):
    read = found(desk)

    assert read.code == {
        name: (operators / name / "run.py").resolve()
        for name in ("counting", "adding", "placing", "showing")
    }


def test_a_folder_that_is_named_comes_before_the_one_beside_the_pipeline(desk, tmp_path):
    mine = tmp_path / "mine"
    (mine / "adding").mkdir(parents=True)
    (mine / "adding" / "run.py").write_text(programs.ADDING)
    (mine / "adding" / "operator.yaml").write_text(
        (desk.folder / "operators" / "adding" / "operator.yaml").read_text()
    )

    read = found(desk, folders=(mine,))

    assert read.code["adding"] == mine / "adding" / "run.py"


def test_an_operator_that_is_given_runs_the_code_beside_its_yaml(desk, operators):
    given = operators / "adding" / "operator.yaml"

    read = catalogue.catalogue([str(desk.folder / "pipeline.yaml"), str(given)])

    assert read.code["adding"] == operators.resolve() / "adding" / "run.py"


def test_a_folder_stands_for_the_yaml_files_in_it(desk):
    (desk.folder / "other.yml").write_text(programs.pipeline("other"))

    read = catalogue.catalogue([str(desk.folder)])

    assert [one.pipeline.metadata.name for one in read.pipelines] == ["other", "demo"]


def test_every_mistake_of_every_file_is_told_at_once(desk):
    (desk.folder / "one.yaml").write_text(programs.pipeline("one").replace("edges:", "egdes:"))
    (desk.folder / "two.yaml").write_text(programs.pipeline("two").replace("placing", "plaicing"))

    lines = refused(found, desk, "one.yaml", "two.yaml")

    assert any("one.yaml" in line and "egdes" in line for line in lines)
    assert any("no code of operator 'plaicing'" in line and "--operators" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "no Pipeline", id="an empty file"),
        pytest.param("a: [", "pipeline.yaml", id="text that is no YAML"),
        pytest.param(
            programs.pipeline() + "---\n" + programs.pipeline(), "same kind", id="two of a name"
        ),
    ],
)
def test_a_file_without_one_sound_pipeline_is_refused(desk, text, words):
    (desk.folder / "pipeline.yaml").write_text(text)

    assert any(words in line for line in refused(found, desk))


def test_a_file_that_is_not_there_is_named(desk):
    lines = refused(found, desk, "absent.yaml")

    assert lines == (f"{desk.folder / 'absent.yaml'}: cannot be read: No such file or directory",)


def test_a_folder_of_operators_that_is_not_there_is_named(desk):
    lines = refused(found, desk, folders=(desk.folder / "absent",))

    assert lines == (f"--operators {desk.folder / 'absent'}: no such folder",)


def test_code_without_a_specification_says_how_to_write_one(desk, tmp_path):
    (tmp_path / "mine" / "adding").mkdir(parents=True)
    (tmp_path / "mine" / "adding" / "run.py").write_text(programs.ADDING)

    lines = refused(found, desk, folders=(tmp_path / "mine",))

    assert "interact operator spec --write" in lines[0]


def test_parameters_and_replicas_are_overridden(desk):
    entries = patched(desk, "sum.gain=7", "reader.pause=0.5", replicas=["sum=3"])

    assert entries["sum"].parameters == {"gain": "7"}
    assert (entries["sum"].replicas, entries["reader"].parameters) == (3, {"pause": "0.5"})


def test_a_path_in_a_pipeline_starts_at_its_file(desk):
    text = programs.pipeline().replace(
        "name: counting}", "name: counting}, parameters: {mark: marks}"
    )
    (desk.folder / "pipeline.yaml").write_text(text)
    (desk.folder / "marks").mkdir()

    entries = patched(desk)

    assert entries["reader"].parameters == {"mark": str((desk.folder / "marks").resolve())}
    assert Path(entries["reader"].parameters["mark"]).is_absolute()


@pytest.mark.parametrize(
    ("sets", "replicas", "words"),
    [
        pytest.param(["sum.gain"], [], "--set sum.gain: write it as", id="no value"),
        pytest.param(["gain=3"], [], "--set gain=3: write it as", id="no operator"),
        pytest.param([], ["sum.gain=3"], "--replicas sum.gain=3: write it as", id="a parameter"),
        pytest.param(
            ["mum.gain=3"], [], "there is no such operator; there are demo/reader", id="typo"
        ),
        pytest.param(["other/sum.gain=3"], [], "there is no such operator", id="other pipeline"),
        pytest.param([], ["sum=0"], "replicas are a number of at least 1", id="no replicas"),
        pytest.param([], ["sum=1000"], "128", id="too many replicas"),
    ],
)
def test_an_override_that_fits_nothing_is_refused(desk, sets, replicas, words):
    lines = refused(patched, desk, *sets, replicas=replicas)

    assert words in "\n".join(lines)


def test_an_override_that_fits_two_pipelines_must_say_which(desk):
    both = f"{programs.pipeline('one')}---\n{programs.pipeline('two')}"
    (desk.folder / "pipeline.yaml").write_text(both)
    read = found(desk)

    lines = refused(overrides.applied, read, overrides.parse(["sum.gain=2"], []))

    assert "one, two all have an operator 'sum'" in lines[0]


def test_a_pipeline_that_cannot_run_is_refused_with_every_reason(desk):
    read = found(desk)
    changed = overrides.applied(
        read, overrides.parse(["sum.gain=700", "reader.rowz=4"], ["picture=2"])
    )

    lines = "\n".join(refused(plans.plans, changed, read.operators, "local"))

    assert all(words in lines for words in ("gain", "at most 100", "rowz", "1 replica"))


def test_streams_fit_in_a_quarter_of_the_memory():
    gib = 1 << 30

    assert plans.port_bytes(4, 64 * gib) == 256 << 20
    assert plans.port_bytes(16, 8 * gib) == 128 << 20
    assert plans.port_bytes(100, 2 * gib) == 64 << 20


def test_validate_says_what_is_correct_and_exits_with_2_where_it_is_not(desk):
    good = CliRunner().invoke(app, ["validate", str(desk.folder / "pipeline.yaml")])
    (desk.folder / "pipeline.yaml").write_text(programs.pipeline().replace("sum.out", "sum.uot"))
    bad = desk.do("validate", "pipeline.yaml")

    assert good.output == "Pipeline demo: 4 operators, 6 streams, correct\n"
    assert (bad.returncode, "uot" in bad.stderr) == (Exit.USAGE, True)


def test_help_teaches_with_examples_and_lists_the_exit_codes():
    for arguments in ([], ["run"], ["operator", "try"], ["images"], ["validate"]):
        said = CliRunner().invoke(app, [*arguments, "--help"]).output
        assert "interact " in said.split("Example")[1], arguments
    run = CliRunner().invoke(app, ["run", "--help"]).output
    assert all(f"{code.value:>3}  {code.meaning}" in run for code in Exit)
