"""Opening files and unpacking them: the bytes of the one thing that a plain, zipped or gzipped file holds."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

from pipeline.domain.errors import UnreadableFileError

LARGEST = 2**30  # bytes, unpacked: what a small machine can still take apart
OTHER_ARCHIVES = {
    b"7z\xbc\xaf": "7z",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"Rar!": "RAR",
    b"(\xb5/\xfd": "zstd",
}


def unpacked_bytes(path: Path) -> bytes:
    """The content of a file, unpacked once: an archive in an archive stays one.

    Raises
    ------
    UnreadableFileError
        It cannot be opened, is too large, damaged, locked, holds several files, or is packed by another
        program; the message does not name the file.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise UnreadableFileError(f"must be at most {LARGEST:,} bytes, was {size:,}; split it")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"must be readable, was not: {error.strerror or error}") from error
    for magic, name in OTHER_ARCHIVES.items():
        if data.startswith(magic):
            raise UnreadableFileError(f"is packed with {name}; unpack it")
    if data.startswith(b"PK"):
        return _unzipped(data)
    return _gunzipped(data) if data.startswith(b"\x1f\x8b") else data


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                member
                for member in archive.infolist()
                if not member.is_dir() and not member.filename.startswith("__MACOSX/")
            ]
            if any(member.filename.startswith("xl/") for member in members):
                raise UnreadableFileError("is an Excel workbook; save the sheet as CSV")
            if len(members) != 1:
                names = ", ".join(member.filename for member in members[:4])
                raise UnreadableFileError(f"must be a zip of one file, held {len(members)} ({names}); unpack it")
            if members[0].file_size > LARGEST:
                raise UnreadableFileError(f"must unpack to at most {LARGEST:,} bytes; split it")
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(f"is a damaged or truncated zip ({error}); download it again") from error
    except RuntimeError as error:
        raise UnreadableFileError("is a zip with a password; unpack it") from error


def _gunzipped(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"is a damaged or truncated gzip ({error}); download it again") from error
    if len(unpacked) > LARGEST:
        raise UnreadableFileError(f"must unpack to at most {LARGEST:,} bytes; split it")
    return unpacked
