"""Named points at which a test may kill or fail the process; nothing happens while `ATTEST_FAILPOINT` is unset.

`ATTEST_FAILPOINT=name:n` kills the process with SIGKILL the n-th time `name` is reached;
`ATTEST_FAILPOINT=name:n:error` raises OSError(EIO) there instead.
"""

import errno
import os
import signal
from collections import Counter

_reached: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill or fail here if the environment names this point and its turn has come.

    Raises:
        OSError: where the action asked for is `error`.
    """
    spec = os.environ.get("ATTEST_FAILPOINT")
    if not spec:
        return
    wanted, _, rest = spec.partition(":")
    count, _, action = rest.partition(":")
    if wanted != name:
        return
    _reached[name] += 1
    if _reached[name] != int(count or 1):
        return
    if action == "error":
        raise OSError(errno.EIO, f"failpoint {name}")
    os.kill(os.getpid(), signal.SIGKILL)
