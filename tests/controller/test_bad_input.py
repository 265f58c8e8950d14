"""Objects and words of hostile or careless people: admitted, and refused in words; never a crash."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from controller.building import KEY, POLICY, Lab, catalogue, chain, operator, pipeline
from interact_api import report as reports
from interact_api.admission import admission_errors

ETCD_BYTES = 3 * 2**19
"""What etcd takes in one request: 1.5 MiB."""
PAYLOAD_BYTES = 2**20
"""What nats-server takes in one message."""


def full_template(letter, number=60):
    """A template with much in it, each field within its own bound."""
    return {
        "env": [{"name": f"{letter}{n}", "value": f"{letter * 4000}"} for n in range(number)],
        "labels": {f"{letter}{n}": "x" for n in range(100)},
    }


# -- what does not fit ---------------------------------------------------------------------------


async def test_a_deployment_larger_than_etcd_takes_is_refused_before_it_is_sent():
    author = operator("total", template=full_template("A", 128))
    halves = chain(t={"ref": "total", "template": full_template("B", 128)})
    wide = full_template("C", 128)
    lab = Lab(*(one for one in catalogue() if one["metadata"]["name"] != "total"), author, halves)
    big = {**wide, "annotations": {f"note-{n}": "w" * 4000 for n in range(60)}}
    lab.memory.edit(
        KEY,
        operators=[
            {**one, "template": big} if one["name"] == "t" else one
            for one in halves["spec"]["operators"]
        ],
    )
    assert admission_errors(lab.memory.objects[KEY]) == ()

    await lab.look()

    assert lab.condition("Accepted") == ("False", "TooLarge")
    assert "Deployment of 't' takes" in lab.message()
    assert not lab.replicas()


async def test_parameters_larger_than_a_message_are_refused():
    text = {"parameters": [{"name": "words", "type": "str"}]}
    ends = [f"e{n}" for n in range(4)]
    given_words = {"words": "w" * 300_000}
    lab = Lab(
        *catalogue(),
        operator("teller", outputs=[{"name": "frames", "type": "dense"}], **text),
        pipeline(**{one: {"ref": "teller", "parameters": given_words} for one in ends}),
    )
    assert admission_errors(lab.memory.objects[KEY]) == ()

    await lab.look()

    assert lab.condition("Accepted") == ("False", "TooLarge")
    assert "the parameters take" in lab.message()
    assert not lab.streams.values


async def test_the_largest_pipeline_has_a_status_that_fits():
    names = [f"{n:02}{'y' * 61}" for n in range(64)]
    inputs = [{"name": f"i{n}", "type": "dense"} for n in range(8)]
    lab = Lab(
        *catalogue(),
        operator("mix", role="reducer", inputs=inputs, outputs=[{"name": "o", "type": "dense"}]),
        pipeline(
            *(
                f"{source}.{'frames' if n < 8 else 'o'} > {names[n + 8 - n % 8 + k]}.i{n % 8}"
                for n, source in enumerate(names[:56])
                for k in range(4)
            ),
            **{one: "reader" if n < 8 else "mix" for n, one in enumerate(names)},
        ),
    )
    await lab.look()
    for name in names:
        refused = {f"p{n}": "x" * 5000 for n in range(200)}
        lab.say(name, "failed", errors=("é" * 5000,) * 50, refused=refused)
    lab.kubernetes(stuck=frozenset(f"scan--{name}" for name in names))

    await lab.look(times=2)

    assert admission_errors(lab.memory.objects[KEY]) == ()
    assert len(json.dumps(lab.status).encode()) < ETCD_BYTES / 4


# -- numbers that JetStream would read otherwise ----------------------------------------------------


@pytest.mark.parametrize(
    ("output", "edge", "path"),
    [
        pytest.param({"maxBytes": "0"}, {}, "outputs[0].delivery.maxBytes", id="no bytes at all"),
        pytest.param({"maxBytes": "0.5"}, {}, "outputs[0].delivery.maxBytes", id="half a byte"),
        pytest.param(
            {"maxBytes": "999999999999999Ti"}, {}, "outputs[0].delivery.maxBytes", id="too many"
        ),
        pytest.param({}, {"ackWait": "0s"}, "spec.edges[0].ackWait", id="no time to answer"),
        pytest.param(
            {}, {"ackWait": "999999999h"}, "spec.edges[0].ackWait", id="more than 64 bits hold"
        ),
    ],
)
async def test_a_number_that_jetstream_would_read_otherwise_is_refused(output, edge, path):
    deliveries = {"outputs": [{"name": "frames", "delivery": output}]} if output else {}
    found = chain(r={"ref": "reader", **deliveries})
    found["spec"]["edges"][0] |= edge
    lab = Lab(*catalogue(), found)
    assert admission_errors(found) == ()

    await lab.look()

    assert lab.condition("Accepted") == ("False", "InvalidSpec")
    assert path in lab.message()
    assert not lab.streams.there


@pytest.mark.parametrize("longest", ["0s", "999999999h"])
async def test_a_kernel_timeout_nobody_can_keep_makes_its_operator_unusable(longest):
    rest = [one for one in catalogue() if one["metadata"]["name"] != "total"]
    total = operator(
        "total", role="reducer", kernelTimeout=longest,
        inputs=[{"name": "parts", "type": "values"}], outputs=[{"name": "image", "type": "image"}],
    )  # fmt: skip
    lab = Lab(*rest, total, chain())
    assert admission_errors(total) == ()

    await lab.look()

    assert lab.condition("Ready")[0] == "False"
    assert "kernelTimeout" in lab.message()


# -- what a pod must not get --------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"serviceAccountToken": {"path": "t"}}, id="a token"),
        pytest.param(
            {"podCertificate": {"signerName": "kubernetes.io/kube-apiserver-client-pod",
                                "keyType": "ED25519"}},
            id="a certificate the API server takes for a login",
        ),
        pytest.param({"somethingNew": {}}, id="what later versions of Kubernetes project"),
    ],
)  # fmt: skip
async def test_a_volume_projects_nothing_that_speaks_for_the_pod(source):
    template = {"volumes": [{"name": "v", "projected": {"sources": [source]}}]}
    lab = Lab(*catalogue(), chain(t={"ref": "total", "template": template}))

    await lab.look()

    assert lab.condition("Accepted") == ("False", "InvalidTemplate")
    assert f"projects a {next(iter(source))}" in lab.message()


# -- words of pods and of former controllers ------------------------------------------------------


HUGE = 2**63 - 1


def scan(**more):
    """A scan's words, most of them wrong."""
    told = {"covered": 1, "total": 2, "complete": False, "missing": {}, "shape": (1, 2)}
    return reports.ScanReport(**{**told, **more})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"scans": {"s": scan(covered=-5, total=-7)}}, id="negative frames"),
        pytest.param({"scans": {"s": scan(covered=-5, total=7)}}, id="less than nothing"),
        pytest.param(
            {"scans": {"s": scan(covered=HUGE, total=1)}}, id="more frames than there are"
        ),
        pytest.param(
            {"scans": {"s": scan(missing={"lost": HUGE, "torn": HUGE}, complete=True)}},
            id="sums beyond 64 bits",
        ),
        pytest.param({"scans": {"": scan(), "é\n" * 200: scan()}}, id="names that are none"),
        pytest.param({"scans": {f"s{n}": scan() for n in range(500)}}, id="many scans"),
        pytest.param(
            {"scans": {"s": scan(total=2**64 - 1)}}, id="what 64 bits hold without a sign"
        ),
        pytest.param({"frames_out": HUGE, "bytes_out": HUGE}, id="counters at the end"),
        pytest.param({"frames_out": -HUGE, "bytes_out": -HUGE}, id="counters that went back"),
        pytest.param({"redelivered": -1, "messages_in": -1, "frames_in": -1}, id="negative counts"),
        pytest.param({"revision": HUGE}, id="a revision of the far future"),
        pytest.param({"revision": -HUGE}, id="a revision before the first"),
        pytest.param(
            {"refused": {"rows": "x" * 9000, "no such\n": "é", "": ""}},
            id="refusals of what is not",
        ),
        pytest.param({"errors": ("\0" * 5000,) * 90, "warnings": ("",) * 90}, id="many words"),
        pytest.param({"kernel_seconds": -1e308, "blocked_seconds": 1e308}, id="odd times"),
    ],
)
async def test_no_report_of_a_pod_keeps_a_status_from_being_written(told):
    lab = Lab()
    await lab.run()
    for one in "rcts":
        lab.say(one, "running", frames_out=1)
    await lab.look()

    for one in "rcts":
        lab.time += timedelta(seconds=20)
        lab.say(one, "of no kind", **told)
        await lab.look()

    assert lab.condition("Ready")[1] == "Running"
    assert admission_errors(lab.memory.objects[KEY]) == ()


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(
            [{"type": "Completed", "status": "True", "reason": "FromANewerVersion"}],
            id="a reason of a newer version",
        ),
        pytest.param([{"type": "Completed", "status": "True"}], id="no reason"),
        pytest.param([{"type": "Ready", "status": "True"}], id="no time"),
        pytest.param([{}], id="nothing"),
    ],
)
async def test_whatever_a_status_said_before_it_is_written_anew(conditions):
    lab = Lab()
    found = lab.memory.get(KEY)
    lab.memory.put({**found, "status": {"conditions": conditions}})

    await lab.look()

    assert lab.condition("Accepted") == ("True", "Accepted")
    assert admission_errors(lab.memory.objects[KEY]) == ()


async def test_a_lost_id_of_the_installation_is_asked_for_and_nothing_is_touched():
    lab = Lab()
    await lab.run()
    before = lab.replicas(), set(lab.streams.there)
    lab.forget_writes()
    lab.world = replace(lab.world, policy=replace(POLICY, installation="made-anew"))

    await lab.look(times=2)

    assert lab.condition("Ready") == ("False", "NameTaken")
    assert "the installation's id was 'here'; now it is 'made-anew'" in lab.message()
    assert "INTERACT_INSTALLATION" in lab.message()
    assert (lab.replicas(), set(lab.streams.there)) == before
    assert {what for what, _ in lab.writes} == {"status"}
