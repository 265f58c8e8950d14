import pytest
from interact_api.choices import Storage
from interact_controller import settings
from interact_controller.policy import Policy

MIB = 1 << 20


def test_without_a_word_everything_has_its_default() -> None:
    found = settings.read({})

    assert found.catalogue_namespaces == ("interact",)
    assert found.heard_namespaces == ()
    assert found.policy("here") == Policy(installation="here")
    assert (found.lease_seconds, found.resync_seconds, found.sweep_seconds) == (15, 60, 300)
    assert (found.http_host, found.http_port, found.log) == ("0.0.0.0", 8080, "INFO")  # noqa: S104


def test_what_is_said_is_taken() -> None:
    found = settings.read(
        {
            "INTERACT_NAMESPACE": "system",
            "INTERACT_NATS_URL": "nats://a:1,nats://b:2",
            "INTERACT_WATCH_NAMESPACES": " lab, other ,lab",
            "INTERACT_CATALOGUE_NAMESPACES": "shared,lab",
            "INTERACT_STREAM_BYTES": "16Mi",
            "INTERACT_STORAGE": "Memory",
            "INTERACT_STREAM_REPLICAS": "3",
            "INTERACT_POD_IMAGE_PULL_POLICY": "Never",
            "INTERACT_HTTP_PORT": "0",
        }
    )

    assert found.watch_namespaces == ("lab", "other")
    assert found.heard_namespaces == ("lab", "other", "shared")
    assert found.policy("here") == Policy(
        installation="here",
        namespace="system",
        watched=frozenset({"lab", "other"}),
        catalogues=frozenset({"shared", "lab"}),
        pod_nats_url="nats://a:1,nats://b:2",
        pull_policy="Never",
        storage=Storage.MEMORY,
        stream_bytes=16 * MIB,
        stream_replicas=3,
    )
    assert found.http_port == 0


def test_an_empty_variable_counts_as_absent() -> None:
    assert settings.read({"INTERACT_LEASE_SECONDS": " "}) == settings.read({})


def test_every_mistake_is_told_at_once_with_its_value_and_what_to_write() -> None:
    wrong = {
        "INTERACT_RESYNC_SECONDS": "often",
        "INTERACT_LEASE_SECONDS": "0.5",
        "INTERACT_SWEEP_SECONDS": "inf",
        "INTERACT_STATUS_SECONDS": "nan",
        "INTERACT_STREAM_BYTES": "much",
        "INTERACT_STATE_BYTES": "0",
        "INTERACT_STORAGE": "file",
        "INTERACT_STREAM_REPLICAS": "6",
        "INTERACT_HTTP_PORT": "-1",
        "INTERACT_LOG": "loud",
    }

    with pytest.raises(settings.SettingsError) as caught:
        settings.read(wrong)

    lines = str(caught.value).splitlines()
    assert len(lines) == len(wrong)
    for name, value in wrong.items():
        assert any(
            line.startswith(f"{name}={value!r}: write") or f"{name}={value!r}" in line
            for line in lines
        )
    assert "INTERACT_LOG='loud': write DEBUG, INFO, WARNING or ERROR" in lines


def test_every_variable_is_read() -> None:
    asked: list[str] = []

    class Environment(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            asked.append(key)
            return default

    settings.read(Environment())

    assert set(asked) == {f"INTERACT_{one.name}" for one in settings.VARIABLES}
