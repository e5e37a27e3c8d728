"""Files for tests: packages, and what no library of ours can make."""

from __future__ import annotations

import io
import zipfile

AES_ZIP = (  # made by another program: one text of 640 characters, AES-256, the password is "secret"
    "UEsDBBQAAQBjAI6Yd10AAAAANQAAAIACAAAKAAsAYS9ub3RlLnR4dAGZBwACAEFFAwgAVoFEYyDE+LVhd2B8zFzz2RpggF0IMcTD"
    "N7unoWovk2RtIKYX6N4OVF7o/D4p4Po9WP04opJQSwECFAMUAAEAYwCOmHddAAAAADUAAACAAgAACgALAAAAAAAAAAAAgAEAAAAA"
    "YS9ub3RlLnR4dAGZBwACAEFFAwgAUEsFBgAAAAABAAEAQwAAAGgAAAAAAA=="
)


def zipped(**members: bytes | str) -> bytes:
    """Return a zip of members; `__` in a name stands for `/`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()
