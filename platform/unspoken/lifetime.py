"""A child process ends when the process that started it ends, also when that one was killed with -9.

The parent passes its process id in the environment, the child binds itself at its start: `prctl(PR_SET_PDEATHSIG)` in
a `preexec_fn` would run between fork and exec, where a parent with threads may deadlock. The setting survives exec.
Linux watches the parent's *thread*: start children from a thread that lives as long as they do.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = "UNSPOKEN_PARENT"
PR_SET_PDEATHSIG = 1
LOOK_S = 0.5


def child_environment() -> dict[str, str]:
    """This process's environment, for a child that is to end with it."""
    return {**os.environ, PARENT: str(os.getpid())}


def bind() -> None:
    """End with the parent that the environment names; without one, live as any process does."""
    named = os.environ.get(PARENT, "")
    if not named.isdigit():
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(int(named),), name="parent-watch", daemon=True).start()
    if os.getppid() != int(named):  # it ended before we could ask to be told
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)
