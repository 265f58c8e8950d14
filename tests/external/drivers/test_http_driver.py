"""The REST driver against a real HTTP server, which is at times down, slow, wrong or forgetful."""

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from external.drivers.rest_service import Service, system
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run, State
from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers.http import HttpDriver

SECRET = "t0p-s3cret"  # noqa: S105  # to be looked for


def run(**changes: Any) -> Run:
    given = {"namespace": "lab", "name": "one", "uid": "0d7e3a52-5a0c-4b7b-a1a3-4d0c8bd7e7a9",
             "attempt": 1, "parameters": {"gain": 2.5}}  # fmt: skip
    return Run.model_validate({**given, **changes})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service().serving() as made:
        yield made


@pytest.fixture
def driver(service: Service) -> HttpDriver:
    return HttpDriver(system(service.url), {})


async def submitted(driver: HttpDriver, one: Run) -> Handle:
    return await driver.submit(one, await driver.prepare(one))


async def test_work_is_begun_watched_and_read(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())

    assert service.jobs["0"] == {"id": "0", "status": "QUEUED", "key": run().key,
                                 "what": {"gain": 2.5}, "title": "run one"}  # fmt: skip
    assert (await driver.check(handle)).state is State.QUEUED
    service.jobs["0"] |= {"status": "Running", "note": "frame 4\nof 100"}
    assert await driver.check(handle) == Observation(
        state=State.RUNNING, message="frame 4 of 100", detail={"state": "Running"}
    )
    service.jobs["0"] |= {"status": "done", "result": {"peak": [1, 2]}}
    assert (await driver.check(handle)).state is State.SUCCEEDED
    assert await driver.collect(handle) == OperatorResult(results={"peak": [1, 2]})
    assert await driver.prepare(run()) == Handle(data=dict(handle.data))


async def test_a_key_is_honoured_where_the_service_says_so(service: Service):
    driver = HttpDriver(system(service.url, idempotencyHeader="Idempotency-Key"), {})

    first, second = await submitted(driver, run()), await submitted(driver, run())

    assert driver.repeat is Repeat.IDEMPOTENT
    assert first == second
    assert service.made == 1
    assert service.headers["Idempotency-Key"] == run().key


async def test_work_is_found_by_its_key_and_by_no_other(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())

    assert driver.repeat is Repeat.LOOKUP
    assert await driver.lookup(run()) == handle
    assert await driver.lookup(run(attempt=2)) is None
    assert HttpDriver(system(service.url, lookup=None), {}).repeat is Repeat.NEITHER


async def test_a_service_that_is_down_has_not_been_asked(driver: HttpDriver, service: Service):
    handle = await submitted(driver, run())
    gone = HttpDriver(system("http://127.0.0.1:1"), {})

    with pytest.raises(ExternalError, match="cannot be reached") as refused:
        await submitted(gone, run(attempt=2))
    assert not isinstance(refused.value, Ambiguous)
    for call in (gone.check, gone.collect, gone.cancel):
        with pytest.raises(ExternalError, match="cannot be reached"):
            await call(handle)
    assert service.made == 1


async def test_a_slow_answer_leaves_a_submit_uncertain(service: Service):
    driver = HttpDriver(system(service.url, timeout="300ms"), {})

    async def begun_and_silent(request: web.Request) -> None:
        await service.begin(request)
        await service.release.wait()

    service.behaviour = begun_and_silent
    with pytest.raises(Ambiguous, match=r"no answer within 0\.3 s"):
        await submitted(driver, run())
    assert service.made == 1

    service.behaviour = lambda request: None
    assert (await driver.lookup(run())) == Handle(data={"key": run().key, "namespace": "lab",
                                                        "name": "one", "attempt": "1"}).submitted("0")  # fmt: skip


async def test_a_connection_that_breaks_leaves_a_submit_uncertain(service: Service, driver: HttpDriver):  # fmt: skip
    def cut(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()

    service.behaviour = cut

    with pytest.raises(Ambiguous, match="no whole answer"):
        await submitted(driver, run())


@pytest.mark.parametrize(
    ("status", "expected"),
    [(500, Ambiguous), (502, Ambiguous), (503, Ambiguous), (409, Ambiguous), (408, Ambiguous),
     (400, Refused), (404, Refused), (413, Refused), (422, Refused),
     (401, ExternalError), (403, ExternalError), (429, ExternalError)],
)  # fmt: skip
async def test_what_a_refused_submit_means(
    service: Service, driver: HttpDriver, status: int, expected: type[Exception]
):
    service.behaviour = lambda request: web.Response(status=status, text="no\nway")

    with pytest.raises((ExternalError, Refused)) as refused:
        await submitted(driver, run())

    assert type(refused.value) is expected
    assert f"HTTP status {status}: no way" in str(refused.value)


RUBBISH = [
    pytest.param(b"<html>502</html>", id="a page"),
    pytest.param(b"[" * 50_000, id="deeply nested"),
    pytest.param(b'{"id": "a", "status"', id="cut off"),
    pytest.param(b'{"id": {}, "status": []}', id="other types"),
    pytest.param(b"\x1f\x8b\x08" + b"\0" * 100, id="packed"),
    pytest.param(b'{"id": "..", "status": null}', id="an id that would climb"),
    pytest.param(b'"' + b"x" * 1_100_000 + b'"', id="huge"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("body", RUBBISH)
async def test_rubbish_is_no_state_and_no_failure(service: Service, driver: HttpDriver, body: bytes):  # fmt: skip
    handle = await submitted(driver, run())
    service.behaviour = lambda request: web.Response(body=body, content_type="application/json")

    with pytest.raises(Ambiguous):
        await submitted(driver, run(attempt=2))
    with pytest.raises(ExternalError):
        await driver.check(handle)
    with pytest.raises(ExternalError):
        await driver.collect(handle)
    with pytest.raises(ExternalError):
        await driver.cancel(handle)


async def test_work_the_service_forgot_is_lost(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())
    service.jobs.clear()

    seen = await driver.check(handle)

    assert (seen.state, seen.reason) == (State.LOST, "NotFound")
    assert await driver.lookup(run()) is None
    assert await driver.cancel(handle)


async def test_a_word_nobody_explained_is_unknown_and_named(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())
    service.jobs["0"]["status"] = "ZORKED"

    seen = await driver.check(handle)

    assert (seen.state, seen.reason) == (State.UNKNOWN, "UnknownState")
    assert "'ZORKED'" in seen.message


async def test_a_driver_keeps_nothing_of_an_end_that_changes(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())

    told = []
    for word in ("done", "running", "broken"):
        service.jobs["0"]["status"] = word
        told.append((await driver.check(handle)).state)

    assert told == [State.SUCCEEDED, State.RUNNING, State.FAILED]


async def test_a_cancel_is_confirmed_by_the_state_that_follows(service: Service, driver: HttpDriver):  # fmt: skip
    handle = await submitted(driver, run())
    service.behaviour = lambda request: (
        web.Response(status=202) if request.method == "DELETE" else None
    )

    assert not await driver.cancel(handle)
    service.behaviour = lambda request: None
    assert await driver.cancel(handle)
    assert service.jobs["0"]["status"] == "STOPPED"
    assert await driver.cancel(handle)
    assert await driver.cancel(await driver.prepare(run(attempt=7)))


async def test_a_system_without_a_cancel_says_what_a_person_has_to_stop(service: Service):
    driver = HttpDriver(system(service.url, cancel=None), {})
    handle = await submitted(driver, run())

    with pytest.raises(ExternalError, match="stop '0' there"):
        await driver.cancel(handle)
    service.jobs["0"]["status"] = "broken"
    assert await driver.cancel(handle)


async def test_no_redirect_is_followed(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())
    async with Service().serving() as other:
        service.behaviour = lambda request: web.Response(
            status=307, headers={"Location": f"{other.url}/latest/meta-data"}
        )

        with pytest.raises(ExternalError, match="redirects are not followed") as refused:
            await submitted(driver, run(attempt=2))
        with pytest.raises(ExternalError, match="redirects are not followed"):
            await driver.check(handle)

        assert not isinstance(refused.value, Ambiguous)
        assert other.asked == []


@pytest.mark.parametrize("name", ["../../admin", "a/b?c=d#e", "a%2fb", "ä ö", "a\r\nX-Evil: 1"])
async def test_a_parameter_stays_one_part_of_the_path(service: Service, name: str):
    check = {"path": "/by-name/{parameters.who}", "method": "POST", "body": {"key": "{key}"}}
    driver = HttpDriver(system(service.url, submit=check), {})

    await submitted(driver, run(parameters={"who": name}))

    [asked] = service.asked
    assert asked.count("/") == 3
    assert asked.startswith("POST /v1/by-name/")
    assert "?" not in asked
    assert "X-Evil" not in service.headers


@pytest.mark.parametrize("name", ["..", ".", "", None, ["a"]])
async def test_a_parameter_that_would_climb_is_refused(service: Service, name: object):
    call = {"path": "/by-name/{parameters.who}", "method": "POST"}
    driver = HttpDriver(system(service.url, submit=call), {})

    with pytest.raises(Refused):
        await submitted(driver, run(parameters={"who": name}))
    assert service.asked == []


async def test_a_parameter_that_is_missing_is_named_before_anything_is_asked(service: Service):
    call = {
        "path": "/jobs",
        "method": "POST",
        "body": {"who": "{parameters.sample}", "key": "{key}"},
    }
    driver = HttpDriver(system(service.url, submit=call), {})

    [problem] = await driver.validate(run())

    assert problem.path == "parameters.sample"
    assert "given are gain" in problem.message
    assert await driver.validate(run(parameters={"sample": "x"})) == []
    assert service.asked == []


@pytest.mark.parametrize(
    ("auth", "credentials", "header"),
    [
        pytest.param({"auth": "bearer"}, {"token": SECRET + "\n"}, f"Bearer {SECRET}", id="bearer"),
        pytest.param({"auth": "basic"}, {"username": "u", "password": SECRET},
                     "Basic dTp0MHAtczNjcmV0", id="basic"),
        pytest.param({"auth": "header"}, {"token": SECRET}, SECRET, id="a header"),
    ],
)  # fmt: skip
async def test_credentials_are_sent_and_never_repeated(
    service: Service, auth: dict[str, Any], credentials: dict[str, str], header: str
):
    driver = HttpDriver(system(service.url, **auth), credentials)
    handle = await submitted(driver, run())
    assert service.headers["Authorization"] == header

    service.jobs["0"]["note"] = f"you sent {header}"
    seen = await driver.check(handle)
    service.behaviour = lambda request: web.Response(status=500, text=str(request.headers))
    with pytest.raises(ExternalError) as refused:
        await driver.check(handle)

    for told in (str(refused.value), seen.model_dump_json(), handle.model_dump_json()):
        assert SECRET not in told
        assert "dTp0MHAtczNjcmV0" not in told


async def test_a_secret_without_its_key_is_said_and_nothing_sent(service: Service):
    driver = HttpDriver(system(service.url, auth="bearer"), {"password": "x"})

    with pytest.raises(ExternalError, match="no key 'token'"):
        await submitted(driver, run())
    assert service.asked == []


async def test_results_that_are_too_large_will_never_do(service: Service, driver: HttpDriver):
    handle = await submitted(driver, run())
    service.jobs["0"]["result"] = {"all": "x" * 70_000}

    with pytest.raises(Refused, match="at most 65,536 bytes"):
        await driver.collect(handle)
    service.jobs["0"]["result"] = 7
    assert (await driver.collect(handle)).results == {"value": 7}
    del service.jobs["0"]["result"]
    with pytest.raises(ExternalError, match="no results at 'result' yet"):
        await driver.collect(handle)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, str]:
    """A certificate of its own authority for 127.0.0.1, its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: it makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-subj", "/CN=job service", "-days", "2",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, certificate.read_text()


async def test_only_the_system_s_own_certificate_is_trusted(certificate: tuple[Path, str]):
    path, bundle = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, path.with_name("key.pem"))

    async with Service().serving(context) as service:
        trusting = HttpDriver(system(service.url, caBundle=bundle), {})
        assert (await submitted(trusting, run())).external_id == "0"
        with pytest.raises(ExternalError, match="cannot be reached") as refused:
            await submitted(HttpDriver(system(service.url), {}), run())

    assert not isinstance(refused.value, Ambiguous)
    with pytest.raises(ExternalError, match="no certificate in PEM"):
        await submitted(HttpDriver(system(service.url, caBundle="rubbish"), {}), run())


def test_credentials_are_refused_over_plain_http():
    with pytest.raises(ValueError, match="over https only"):
        system("http://jobs.example", auth="bearer")
    assert json.loads(system("https://jobs.example", auth="bearer").model_dump_json())["auth"]


async def test_calls_end_within_the_time_they_say(service: Service):
    driver = HttpDriver(system(service.url, timeout="100ms"), {})
    handle = await submitted(driver, run())
    service.behaviour = lambda request: service.release.wait()

    async with asyncio.timeout(driver.call_seconds * 5):
        with pytest.raises(ExternalError):
            await driver.cancel(handle)
