"""Archives in memory, and a mailbox to put into them."""

from __future__ import annotations

import io
import tarfile
import zipfile

from tests.mail_imports import numbered

BOX = b"".join(b"From a@x Mon Jan  1 10:00:00 2024\n" + numbered(number).encode() + b"\n" for number in range(1, 4))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
