"""Artefacts: a model as bytes, and back only where it is whole, is told what it learned, and its libraries are here.

Add here what every kind of model needs to be stored; which arrays a kind has is said in its own module.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import DataContractError, ModelUnavailableError

FORMAT: Final = 1  # one more whenever older artefacts can no longer be read
LIBRARIES: Final = ("jax", "keras", "numpy", "scikit-learn")

Arrays = dict[str, npt.NDArray[Any]]

_HEADER = "header.json"
_SUFFIX = ".npy"


def library_versions() -> dict[str, str]:
    """The installed version of each of `LIBRARIES` that is installed, read without importing it."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def digest(data: bytes) -> str:
    """SHA-256 of an artefact, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def pack(arrays: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]) -> bytes:
    """A model as one zip file: `header.json`, then each array as `NAME.npy`.

    The same arrays and header give the same bytes, whatever their order, where the same zlib compresses: members are
    sorted and have no time, which `numpy.savez` would take from the clock. Nothing is pickled, so that reading an
    artefact never runs code.

    Parameters
    ----------
    arrays
        Numbers or flags of any shape; the bits are kept, NaN and the sign of zero included.
    header
        What JSON can hold; ``feature_schema`` (text) and ``library_versions`` (name -> version) must be among it.

    Raises
    ------
    DataContractError
        An array holds objects, or the header lacks what `unpack` checks or has something that JSON cannot hold.
    """
    if missing := {"feature_schema", "library_versions"} - header.keys():
        raise DataContractError(f"an artefact's header must have {', '.join(sorted(missing))}, was {sorted(header)}")
    try:
        text = json.dumps({**header, "format": FORMAT}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataContractError(f"an artefact's header must be JSON: {error}") from error
    members = {_HEADER: text.encode()}
    for name in sorted(arrays):
        members[name + _SUFFIX] = _array_bytes(name, arrays[name])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(
    data: bytes, *, sha256: str, feature_schema: str, library_versions: Mapping[str, str]
) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the header that `pack` was given.

    Parameters
    ----------
    data, sha256
        An artefact, and its `digest` when it was stored.
    feature_schema
        What the model would be told now; see `features.schema_hash`.
    library_versions
        What is installed now; see `library_versions`. A bug fix (3.15.1 for 3.15.0) is no other version.

    Raises
    ------
    ModelUnavailableError
        Its ``reason`` is `artefact_truncated`, `artefact_corrupt`, `artefact_format(2 != 1)`,
        `feature_schema_mismatch` or `library_mismatch(keras 3.14 != 3.15)`: stored first, installed second. Refusing
        is the point: a model that is told other features, or is computed otherwise, answers, and is wrong.
    """
    if digest(data) != sha256:
        # The directory of a zip file is its end.
        is_whole = zipfile.is_zipfile(io.BytesIO(data))
        raise ModelUnavailableError("artefact_corrupt" if is_whole else "artefact_truncated")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            header = json.loads(archive.read(_HEADER))
            _check(header, feature_schema, library_versions)
            names = [name for name in archive.namelist() if name.endswith(_SUFFIX)]
            arrays = {name.removesuffix(_SUFFIX): _array(archive.read(name)) for name in names}
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
        raise ModelUnavailableError("artefact_corrupt") from error
    del header["format"]
    return arrays, header


def _check(header: Mapping[str, Any], feature_schema: str, installed: Mapping[str, str]) -> None:
    if header["format"] != FORMAT:
        raise ModelUnavailableError(f"artefact_format({header['format']} != {FORMAT})")
    if header["feature_schema"] != feature_schema:
        raise ModelUnavailableError("feature_schema_mismatch")
    pairs = {name: (_minor(old), _minor(installed.get(name))) for name, old in header["library_versions"].items()}
    if others := [f"{name} {old} != {new}" for name, (old, new) in sorted(pairs.items()) if old != new]:
        raise ModelUnavailableError(f"library_mismatch({', '.join(others)})")


def _minor(full: str | None) -> str:
    """``3.15`` of ``3.15.1``."""
    return "none" if full is None else ".".join(full.split(".")[:2])


def _array_bytes(name: str, array: npt.NDArray[Any]) -> bytes:
    content = io.BytesIO()
    try:
        np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
    except ValueError as error:
        raise DataContractError(f"array {name} of an artefact must hold numbers, was {array.dtype}") from error
    return content.getvalue()


def _array(content: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
