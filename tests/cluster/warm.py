"""What our programs do first, done once in the process all of them are forked from."""

import importlib

for module in (
    "interact.__main__",
    "interact._runtime",
    "interact._settings",
    "interact._spec",
    "interact.external_relay",
    "interact_controller.__main__",
    "interact_controller.process",
    "interact_stem.drawing",
    "interact_stem.kernels",
    "numba",
    "scipy.linalg",  # numba's first call asks for it
):
    importlib.import_module(module)
