"""Loads nats-py without aiohttp, which it only has for WebSockets: a third of a second of each start."""

import importlib
import sys
from types import ModuleType
from typing import Final

_UNUSED: Final = "aiohttp"
_modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None: not there


if _UNUSED in _modules:
    importlib.import_module("nats.aio.transport")
else:
    _modules[_UNUSED] = None
    try:
        importlib.import_module("nats.aio.transport")
    finally:
        del _modules[_UNUSED]
