"""Regions of China and the two datums."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from builder.fields import BY_TYPE
from builder.fields.parts.datums import to_gcj02, to_wgs84
from builder.fields.parts.regions import find_in_text, path_of, regions


def test_every_division_hangs_below_a_province():
    table = regions()
    assert len([code for code in table if code.endswith("0000")]) == 34
    assert all(next(path_of(code)).level == "province" for code in table)
    assert list(table) == sorted(table)
    assert all(len(code) == 6 and region.name for code, region in table.items())


def test_a_path_has_no_level_that_does_not_exist():
    assert [part.name for part in path_of("320583")] == ["江苏省", "苏州市", "昆山市"]
    assert [part.name for part in path_of("110105")] == ["北京市", "朝阳区"]
    assert [part.name for part in path_of("659001")] == ["新疆维吾尔自治区", "石河子市"]


def test_every_full_name_is_found_in_a_text():
    for code in regions():
        name = "".join(part.name for part in path_of(code))
        assert find_in_text(f"{name}前进路1号") == (code, "前进路1号")
    assert find_in_text("昆山前进路") is None


@pytest.mark.parametrize(
    "cell, region, street",
    [
        ("江苏省苏州市昆山市前进路1号", "320583", "前进路1号"),
        ("320583 前进路1号", "320583", "前进路1号"),
        ("320583 江苏省苏州市昆山市 前进路1号", "320583", "前进路1号"),
        ("北京市朝阳区", "110105", None),
    ],
)
def test_addresses_as_people_write_them(cell, region, street):
    field = BY_TYPE["address"].of()
    shown = field.to_json(field.coerce(field.from_text(cell)))
    assert (shown["region"], shown["street"]) == (region, street)


def test_the_shift_of_datums_is_the_published_one():
    # eviltransform's test vectors
    for given_, expected in [
        ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
        ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
        ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ]:
        assert to_gcj02(*given_) == pytest.approx(expected, abs=1e-9)
    assert to_gcj02(48.8566, 2.3522) == (48.8566, 2.3522)


@given(st.floats(18.2, 53.5), st.floats(73.6, 135.0))
def test_back_from_the_other_datum_it_is_the_same_place(latitude, longitude):
    assert to_wgs84(*to_gcj02(latitude, longitude)) == pytest.approx((latitude, longitude), abs=1e-7)
