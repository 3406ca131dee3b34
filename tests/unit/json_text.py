"""Strategies for JSON as text: any spelling that a sender may choose, and values that no Python object holds."""

from __future__ import annotations

import json

from hypothesis import strategies as st

_SPACE = st.sampled_from(["", "", " ", "\n", "\t", "\r\n  "])
_ODD_STRINGS = st.sampled_from(
    [
        '""',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"\\/\\b\\f\\n\\r\\t\\\\\\""',
        '"\\uD83D\\ude00"',
        '"😀é\x7f"',
        '"1.0"',
    ]
)
_ODD_NUMBERS = st.sampled_from(
    [
        "0.30000000000000004",
        "0.1",
        "1.0",
        "1.00",
        "-0",
        "-0.0",
        "1e400",
        "-1E+400",
        "1e-400",
        "0e0",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "9" * 5000,
        "0." + "1" * 5000,
    ]
)
STRINGS = st.one_of(_ODD_STRINGS, st.builds(json.dumps, st.text(), ensure_ascii=st.booleans()))
_SCALARS = st.one_of(
    STRINGS,
    _ODD_NUMBERS,
    st.sampled_from(["null", "true", "false"]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@st.composite
def _join(draw: st.DrawFn, brackets: str, items: list[str]) -> str:
    inner = ",".join(draw(_SPACE) + item + draw(_SPACE) for item in items)
    return brackets[0] + (inner or draw(_SPACE)) + brackets[1]


@st.composite
def members(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> str:
    """An object of these names and values, each as JSON text; a name may come twice."""
    return draw(_join("{}", [f"{name}{draw(_SPACE)}:{draw(_SPACE)}{value}" for name, value in pairs]))


@st.composite
def _deep(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """60 levels of arrays and objects around a value."""
    levels = draw(st.lists(st.sampled_from([("[", "]"), ('{"":', "}"), ('{"a":', "}")]), min_size=60, max_size=60))
    return "".join(left for left, _ in levels) + draw(values) + "".join(right for _, right in reversed(levels))


VALUES = st.recursive(
    _SCALARS | _deep(_SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).flatmap(lambda items: _join("[]", items)),
        st.lists(st.tuples(STRINGS, inner), max_size=4).flatmap(members),
    ),
    max_leaves=12,
)
