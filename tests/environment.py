"""The environment of the suite, set when imported: quiet models, no network, nobody's own settings."""

from __future__ import annotations

import os
import signal

QUIET = {
    "OMP_NUM_THREADS": "1",  # two test processes on two cores collapse with more
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def settle() -> None:
    """Set what is quiet, forget the settings of whoever runs the suite, and let Ctrl-C reach what it starts."""
    for name in [name for name in os.environ if name.startswith("ATTEST_")]:
        del os.environ[name]
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a suite started in the background ignores Ctrl-C, and so would every process that it starts and interrupts
        signal.signal(signal.SIGINT, signal.default_int_handler)
