"""The ways in: REST, command line, and the one pipeline that answers."""

import os

# Threads of OpenMP wait for one another by spinning. Where another process holds a core, they spin in the way of the
# very thread they wait for, and small passes take ten times as long. 5,000 turns are enough on cores of one's own (no
# slower than without a limit) and end the collapse; torch reads this when it is loaded, so it stands here.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
