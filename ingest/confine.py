"""Confine this process for good: resources, network, files. Linux does it in the kernel; elsewhere limits only."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

MAX_OPEN_FILES = 256
MAX_FILE_BYTES = 2**30

_SYSCALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Machine → its seccomp audit code and the number of socket(2)."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_AF_UNIX = 1
_EPERM = 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ = 0b1101  # execute, read file, read directory
_WRITE_V1 = 0b1_1111_1111_1111 & ~_READ


def confine(home: Path, memory_mb: int) -> None:
    """Limit memory, files and core dumps; forbid sockets; allow writing below `home` only, and reading there and in
    the folders programs and libraries are installed in.
    """
    _limit(resource.RLIMIT_DATA, memory_mb * 2**20)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _forbid_sockets(libc)
    _forbid_files(libc, home)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _forbid_sockets(libc: ctypes.CDLL) -> bool:
    """Install a seccomp filter under which socket(2) fails but for local ones; children inherit it."""
    known = _SYSCALLS.get(platform.machine())
    if known is None:
        return False
    machine, socket_call = known
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 4),  # load the machine
            (0x15, 0, 5, machine),  # another machine's calls: refuse
            (0x20, 0, 0, 0),  # load the call's number
            (0x15, 0, 2, socket_call),  # not socket(2): allow
            (0x20, 0, 0, 16),  # load its first argument, the family
            (0x15, 0, 1, _AF_UNIX),
            (0x06, 0, 0, _ALLOW),
            (0x06, 0, 0, _ERRNO | _EPERM),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) == 0)


def _forbid_files(libc: ctypes.CDLL, home: Path) -> bool:
    """Restrict this process and its children to the folders they need, where the kernel has Landlock."""
    if libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) < 1:
        return False
    handled = struct.pack("Q", _READ | _WRITE_V1)
    ruleset = libc.syscall(
        _LANDLOCK_CREATE, ctypes.c_char_p(handled), ctypes.c_size_t(len(handled)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    _allow(libc, ruleset, home, _READ | _WRITE_V1)
    _allow(libc, ruleset, Path("/dev/null"), 0b110)
    for folder in _readable_folders():
        _allow(libc, ruleset, folder, _READ)
    restricted = libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return bool(restricted)


def _readable_folders() -> set[Path]:
    """Return where programs, libraries and our own code lie; neither homes nor settings are among them."""
    ours = Path(__file__).resolve().parents[1]
    code = {ours / "core", ours / "ingest"}
    system = {Path(name) for name in ("/usr", "/lib", "/lib64", "/bin", "/proc/self", "/sys/devices/system/cpu")}
    return code | system | {Path(sys.prefix), Path(sys.base_prefix), Path("/etc/ld.so.cache"), Path("/dev/urandom")}


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not path.is_dir():
        access &= 0b111  # the other rights exist for folders only
    rule = struct.pack("=Qi", access, descriptor)
    libc.syscall(_LANDLOCK_ADD, ruleset, ctypes.c_int(1), ctypes.c_char_p(rule), ctypes.c_uint32(0))
    os.close(descriptor)
