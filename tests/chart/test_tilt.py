"""The local loop: what the Tiltfile builds, applies, syncs and forwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chart.chart import ROOT
from chart.tilt import Tilt, evaluated
from cluster.kube import Kube
from cluster.waiting import eventually

MANIFEST_KINDS = {"StatefulSet", "Deployment", "InteractOperator"}


@pytest.fixture(scope="module")
def tilt() -> Tilt:
    return evaluated(ROOT)


def test_the_api_server_takes_every_manifest_that_tilt_applies(kube: Kube, tilt: Tilt):
    for one in tilt.manifests:
        moved = {**one, "metadata": {**one["metadata"]}}
        if moved["metadata"].pop("namespace", None) or one["kind"] == "InteractOperator":
            moved["metadata"]["namespace"] = kube.namespace
        kube.apply(moved, dry_run=True)
    assert len([one for one in tilt.manifests if one["kind"] == "InteractOperator"]) == 13


def test_every_image_of_ours_that_is_applied_is_built(tilt: Tilt):
    wanted = {one["spec"]["image"] for one in tilt.manifests if one["kind"] == "InteractOperator"}
    deployed = [one for one in tilt.manifests if one["kind"] == "Deployment"]
    wanted |= {
        c["image"] for one in deployed for c in one["spec"]["template"]["spec"]["containers"]
    }

    assert {image.rsplit(":", 1)[0] for image in wanted} <= tilt.images.keys()
    assert tilt.kinds == {
        "InteractOperator": {
            "api_version": "interact.science/v1alpha1",
            "image_json_path": "{.spec.image}",
            "pod_readiness": "ignore",
        }
    }


def test_every_build_has_its_files_and_what_it_begins_with(tilt: Tilt):
    for ref, build in tilt.images.items():
        assert (ROOT / build["context"]).is_dir(), ref
        assert (ROOT / build["dockerfile"]).is_file(), ref
        below = build.get("build_args", {}).get("BASE")
        assert below is None or below in tilt.images, f"{ref} begins with {below}"
        for path in build.get("only", []):
            assert path.startswith("dist/images/") or (ROOT / path).exists(), path


def test_what_is_synced_is_in_the_image_and_lands_where_a_pod_can_write(tilt: Tilt):
    synced = {
        ref: build["live_update"] for ref, build in tilt.images.items() if "live_update" in build
    }

    assert len(synced) == 14
    for ref, steps in synced.items():
        build = tilt.images[ref]
        for step in steps:
            assert step["local"] in build["only"]
            assert step["local"] in build["build_args"]["LIVE"].split()
            assert Path(step["remote"]).parent == Path("/", "tmp", "live")
            assert Path(step["remote"]).name == Path(step["local"]).name


def test_resources_name_what_is_applied(tilt: Tilt):
    names = {one["metadata"]["name"] for one in tilt.manifests if one["kind"] in MANIFEST_KINDS}
    objects = {f"{one['metadata']['name']}:{one['kind'].lower()}" for one in tilt.manifests}

    for name, options in tilt.resources.items():
        assert name in names or options["objects"], name
        assert set(options.get("objects", [])) <= objects, name
        known = tilt.resources.keys() | tilt.commands.keys()
        assert set(options.get("resource_deps", [])) <= known, name


def test_forwarded_ports_are_served(tilt: Tilt):
    forwarded = 0
    for name, options in tilt.resources.items():
        for pair in options.get("port_forwards", []):
            [one] = [
                m
                for m in tilt.manifests
                if m["metadata"]["name"] == name and m["kind"] in MANIFEST_KINDS
            ]
            ports = {
                p["containerPort"]
                for p in one["spec"]["template"]["spec"]["containers"][0]["ports"]
            }
            assert int(pair.split(":")[1]) in ports
            forwarded += 1
    assert forwarded == 3


def test_the_commands_are_there(tilt: Tilt):
    targets = (ROOT / "Makefile").read_text()

    assert "\nwheels: " in targets
    for options in tilt.commands.values():
        for path in options["deps"]:
            assert (ROOT / path).is_file()
        assert (ROOT / "images/wheels.py").is_file()


def test_only_the_named_operators_are_built():
    made = evaluated(ROOT, operators=["dpc"])

    assert {ref for ref in made.images if ref.endswith("-built")} == {
        "interact/controller-built",
        "interact/dpc-built",
    }
    applied = [
        one["metadata"]["name"] for one in made.manifests if one["kind"] == "InteractOperator"
    ]
    assert applied == ["dpc"]


def test_the_cluster_of_kind_is_the_one_of_the_guide():
    wanted = yaml.safe_load((ROOT / "kind.yaml").read_text())

    assert (wanted["kind"], wanted["apiVersion"], wanted["name"]) == (
        "Cluster", "kind.x-k8s.io/v1alpha4", "interact",
    )  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder as the image for the local loop has it, with a program that says its version."""
    folder = tmp_path / "image"
    (folder / "images" / "dev").mkdir(parents=True)
    (folder / "images" / "dev" / "reload.py").write_text(
        (ROOT / "images/dev/reload.py").read_text()
    )
    (folder / "crds" / "said").mkdir(parents=True)
    (folder / "crds" / "said" / "__init__.py").write_text("")
    (folder / "crds" / "said" / "version.py").write_text("VERSION = 'first'\n")
    (folder / "crds" / "said" / "__main__.py").write_text(
        "import signal, sys\nfrom said.version import VERSION\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint(VERSION, flush=True)\nsignal.pause()\n"
    )
    return folder


def test_a_changed_source_starts_the_program_again(image: Path, tmp_path: Path):
    live, log = tmp_path / "live", tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(live), "INTERACT_RELOAD": "-m said",
                   "INTERACT_LIVE": "crds/said", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(image / "images/dev/reload.py")], env=environment, stdout=output
        )
    try:
        eventually(lambda: "first" in log.read_text(), "the program as the image has it")
        (live / "said" / "version.py").write_text("VERSION = 'second'\n")
        eventually(lambda: "second" in log.read_text(), "the program as it was changed")
        process.terminate()
        assert process.wait(30) == 7
    finally:
        process.kill()
        process.wait()
