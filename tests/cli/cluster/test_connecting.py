"""From a kubeconfig to a server, or to a sentence that says why not."""

import socket

import pytest
from cli.cluster.stored import kubeconfig
from interact.cli.cluster import connecting
from interact.cli.cluster.options import Where
from interact.cli.exits import CommandError, Exit


def refused(where):
    with pytest.raises(CommandError) as raised:
        connecting.place(where)
    return raised.value


def test_the_namespace_is_the_context_s_unless_another_is_named(tmp_path):
    file = str(kubeconfig(tmp_path / "config"))

    found = [
        connecting.place(Where(file, **more)).namespace
        for more in ({}, {"namespace": "other"}, {"everywhere": True}, {"context": "there"})
    ]

    assert found == ["lab", "other", "", "lab"]


def test_kubeconfig_may_name_several_files(tmp_path, monkeypatch):
    first = kubeconfig(tmp_path / "one", contexts=("one",))
    second = kubeconfig(tmp_path / "two", contexts=("two",), namespace="second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{second}")

    assert connecting.place(Where(context="two")).namespace == "second"


def test_a_context_that_is_not_there_names_those_that_are(tmp_path):
    error = refused(Where(str(kubeconfig(tmp_path / "config")), "elsewhere"))

    assert error.code is Exit.USAGE
    assert error.lines == ("the kubeconfig has no context 'elsewhere'; there are here, there",)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="an empty file"),
        pytest.param("a: [", id="text that is no YAML"),
        pytest.param("just words", id="words"),
        pytest.param("[1, 2]", id="a list"),
        pytest.param("kind: Config", id="no contexts"),
        pytest.param("contexts: [{name: a}]\ncurrent-context: a", id="a context of nothing"),
        pytest.param("contexts: 3\ncurrent-context: a", id="contexts of another type"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_with_what_to_do(tmp_path, text):
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)

    error = refused(Where(str(file)))

    assert error.code is Exit.UNREACHABLE
    assert str(file) in error.lines[0]
    assert "--kubeconfig" in error.lines[1]


def test_a_server_that_is_not_there_is_told_without_a_traceback(desk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = kubeconfig(desk.folder / "config", server=f"https://127.0.0.1:{port}")

    done = desk.do("get", "--kubeconfig", file)

    assert done.returncode == Exit.UNREACHABLE
    assert done.stderr.splitlines() == [
        f"no API server answers at https://127.0.0.1:{port}: Connection refused",
        "is the cluster up, and is this the right --context or KUBECONFIG?",
    ]


def test_a_namespace_and_all_namespaces_exclude_each_other(tmp_path):
    file = str(kubeconfig(tmp_path / "config"))

    assert refused(Where(file, namespace="lab", everywhere=True)).code is Exit.USAGE
    assert refused(Where(file, namespace="../lab")).code is Exit.USAGE


def test_a_run_and_a_help_text_do_without_the_kubernetes_package(desk):
    import subprocess
    import sys

    code = (
        "import sys; from interact.cli.app import app; from interact.cli import run_command; "
        "sys.exit([name for name in sys.modules if name.startswith('kubernetes')] != [])"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
