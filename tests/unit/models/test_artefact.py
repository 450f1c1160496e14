"""Artefacts: the same bits back, the same bytes again, and no model that is not whole, or not for here and now."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.domain.errors import DataContractError, ModelUnavailableError
from pipeline.models import artefact
from pipeline.models.artefact import digest, library_versions, pack, unpack
from tests.support.processes import output

HEADER = {
    "kind": "direction",
    "feature_schema": "abc",
    "library_versions": {"keras": "3.15.1", "numpy": "2.4.6"},
    "epochs": 7,
}
ARRAYS = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bias": np.array([0.0, -0.0, np.nan, np.inf]),
    "tree/left": np.array([1, -1], dtype=np.int32),
    "is_leaf": np.array([True, False]),
    "scale": np.array(2.5),
    "nothing": np.empty((0, 3)),
}
# Packs the arrays of this file's example the other way round, and tells which heavy libraries that took.
PACK_AGAIN = """
    import sys
    import numpy as np
    from pipeline.models.artefact import digest, library_versions, pack
    arrays = {"b": np.full((50, 3), 0.1), "a": np.arange(100.0)}
    header = {"library_versions": {"numpy": "2.4.6"}, "feature_schema": "abc"}
    library_versions()
    print(digest(pack(arrays, header)), sorted({"keras", "jax", "sklearn"} & sys.modules.keys()))
"""


def opened(data, **changes):
    """The artefact as it is opened where it was made, but for the changes."""
    here = {"sha256": digest(data), "feature_schema": "abc", "library_versions": HEADER["library_versions"]}
    return unpack(data, **(here | changes))


def refused(data, **changes):
    """The reason why an artefact is not opened."""
    with pytest.raises(ModelUnavailableError) as caught:
        opened(data, **changes)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason


def a_zip(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_json", ".json").replace("_npy", ".npy"), content)
    return packed.getvalue()


def test_arrays_and_header_come_back_to_the_bit():
    arrays, header = opened(pack(ARRAYS, HEADER))
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


@given(hnp.arrays(st.sampled_from([np.float32, np.float64, np.int16, np.bool_]), hnp.array_shapes(min_dims=0)))
def test_any_array_comes_back_to_the_bit(array):
    (found,) = opened(pack({"x": array}, HEADER))[0].values()
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_neither_order_nor_layout_nor_the_process_changes_the_bytes():
    arrays = {"a": np.arange(100.0), "b": np.asfortranarray(np.full((50, 3), 0.1))}
    here = digest(pack(arrays, {"feature_schema": "abc", "library_versions": {"numpy": "2.4.6"}}))
    assert output(PACK_AGAIN) == f"{here} []"


def test_the_clock_is_not_in_the_bytes():
    with zipfile.ZipFile(io.BytesIO(pack(ARRAYS, HEADER))) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_another_bit_is_another_hash():
    changed = ARRAYS | {"kernel": np.nextafter(ARRAYS["kernel"], np.float32(9))}
    assert digest(pack(changed, HEADER)) != digest(pack(ARRAYS, HEADER))


@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_f29_a_truncated_artefact_is_refused(share):
    whole = pack(ARRAYS, HEADER)
    assert refused(whole[: int(share * len(whole))], sha256=digest(whole)) == "artefact_truncated"


@given(share=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7))
def test_f29_a_flipped_bit_is_refused(share, bit):
    whole = pack(ARRAYS, HEADER)
    altered = bytearray(whole)
    altered[int(share * len(whole))] ^= 1 << bit
    assert refused(bytes(altered), sha256=digest(whole)) in ("artefact_corrupt", "artefact_truncated")


@pytest.mark.parametrize(
    "data",
    [b"", b"not a zip", a_zip(), a_zip(header_json="[]"), a_zip(header_json="{")],
    ids=["empty", "text", "no header", "a list", "half a header"],
)
def test_f29_what_was_never_a_model_is_refused(data):
    assert refused(data) == "artefact_corrupt"


def test_f29_nothing_is_unpickled():
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("an artefact ran code",)

    content = io.BytesIO()
    np.lib.format.write_array(content, np.array([0], dtype=object), allow_pickle=True)
    head = content.getvalue()[: -len(pickle.dumps(np.array([0], dtype=object), protocol=4))]
    planted = a_zip(header_json=json.dumps(HEADER | {"format": 1}), x_npy=head + pickle.dumps(Trap()))
    assert refused(planted) == "artefact_corrupt"


def test_f31_another_feature_schema_is_refused():
    assert refused(pack(ARRAYS, HEADER), feature_schema="abd") == "feature_schema_mismatch"


@pytest.mark.parametrize(
    ("installed", "reason"),
    [
        ({"keras": "3.16.1", "numpy": "2.4.6"}, "library_mismatch(keras 3.15 != 3.16)"),
        ({"keras": "4.15.1", "numpy": "2.5.0"}, "library_mismatch(keras 3.15 != 4.15, numpy 2.4 != 2.5)"),
        ({"numpy": "2.4.6"}, "library_mismatch(keras 3.15 != none)"),
    ],
)
def test_f31_another_library_version_is_refused(installed, reason):
    assert refused(pack(ARRAYS, HEADER), library_versions=installed) == reason


def test_f31_a_bug_fix_of_a_library_is_no_other_version():
    arrays, _ = opened(pack(ARRAYS, HEADER), library_versions={"keras": "3.15.9", "numpy": "2.4.0rc1", "jax": "1.0.0"})
    assert arrays.keys() == ARRAYS.keys()


def test_f31_another_format_is_refused(monkeypatch):
    data = pack(ARRAYS, HEADER)
    monkeypatch.setattr(artefact, "FORMAT", 2)
    assert refused(data) == "artefact_format(1 != 2)"


def test_objects_are_not_packed():
    with pytest.raises(DataContractError, match="array names of an artefact must hold numbers, was object"):
        pack({"names": np.array(["a", None], dtype=object)}, HEADER)


@pytest.mark.parametrize("missing", ["feature_schema", "library_versions"])
def test_a_header_without_what_is_checked_is_not_packed(missing):
    with pytest.raises(DataContractError, match=f"must have {missing}"):
        pack(ARRAYS, {name: value for name, value in HEADER.items() if name != missing})


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_header_that_is_no_json_is_not_packed(value):
    with pytest.raises(DataContractError, match="header must be JSON"):
        pack(ARRAYS, HEADER | {"loss": value})


def test_the_installed_versions_are_known_and_a_missing_library_is_left_out(monkeypatch):
    assert library_versions()["numpy"] == np.__version__
    monkeypatch.setattr(artefact, "LIBRARIES", ("numpy", "no-such-library"))
    assert list(library_versions()) == ["numpy"]
