"""Programs of the control plane are found where they are said to be, and only if they fit."""

import pytest

from cluster import binaries
from cluster.binaries import BinaryError


def program(path, output=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def places(tmp_path, monkeypatch):
    """No programs anywhere: neither named, nor on PATH, nor in the cache; and no package index."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


def test_the_named_folder_comes_first(places, monkeypatch):
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(places))
    named = program(places / "kubectl", "any version")

    assert binaries.find("kubectl") == named


def test_a_program_on_path_is_used_if_its_version_is_the_pinned_one(places):
    cached = program(binaries.cache() / "kubectl")

    assert binaries.find("kubectl") == cached
    minor = binaries.pinned("k8s.io/kubernetes/cmd/kubectl").rsplit(".", 1)[0]
    fitting = program(places / "path" / "kubectl", f"Client Version: {minor}.99")

    assert binaries.find("kubectl") == fitting


def test_an_older_program_on_path_is_not_used(places):
    cached = program(binaries.cache() / "kubectl")
    program(places / "path" / "kubectl", "Client Version: v1.32.4")

    assert binaries.find("kubectl") == cached


def test_without_go_and_packages_the_missing_thing_is_named(places):
    said = []

    with pytest.raises(
        BinaryError, match=r"needs Go 1\.\d+ or newer on PATH, or .*KUBEBUILDER_ASSETS"
    ):
        binaries.find("etcd", said.append)

    assert "no Go" in said[0]


def test_every_program_has_a_pinned_module():
    assert {name: binaries.pinned(source)[:2] for name, source in binaries.SOURCES.items()} == {
        "etcd": "v3", "helm": "v3", "kube-apiserver": "v1", "kube-controller-manager": "v1", "kubectl": "v1",
    }  # fmt: skip
