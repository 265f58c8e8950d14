"""A process that writes while it leads: ``candidate.py URL TOKEN CERTIFICATE NAMESPACE NAME SECONDS``.

It leaves one ConfigMap after the other, each with its name and a number, as fast as it is let.
SIGUSR1 freezes it between two writes: one on its way then could not be called back.
"""

import asyncio
import os
import signal
import sys

import urllib3
from interact_controller import leading
from interact_controller.election import Terms


async def compete(
    url: str, token: str, authority: str, namespace: str, name: str, seconds: str
) -> None:
    """Wait for the lead, then write until SIGTERM."""
    pool = urllib3.PoolManager(ca_certs=authority, assert_hostname=False)
    door = leading.HttpDoor(url, pool, lambda: {"Authorization": f"Bearer {token}"})
    stop, freeze = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, freeze.set)
    terms = Terms(namespace, "candidates", leading.identity(name), float(seconds))
    async with leading.leading(door, terms) as lease:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"candidate-{name}"}
        for number in range(1 << 30):
            if stop.is_set():
                return
            await asyncio.sleep(0)
            if freeze.is_set():
                freeze.clear()
                os.kill(os.getpid(), signal.SIGSTOP)
            if not lease.valid():
                continue
            made = pool.request(
                "POST", f"{url}/api/v1/namespaces/{namespace}/configmaps", headers=headers,
                json={"metadata": {"name": f"{name}-{number}"}}, timeout=10, retries=False,
            )  # fmt: skip
            assert made.status in {201, 409}, made.data


if __name__ == "__main__":
    asyncio.run(compete(*sys.argv[1:]))
