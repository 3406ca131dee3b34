"""What is missing or wrong in the environment fails at start, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runledger.adapters import settings
from runledger.adapters.settings import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "A_SETTING"
READERS: list[Callable[[str], object]] = [settings.text, settings.whole_number, settings.flag]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", [None, "", " ", "\n"])
def test_a_missing_setting_is_named(
    read: Callable[[str], object], value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    with pytest.raises(SettingError, match=f"{NAME} is not set"):
        read(NAME)


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (settings.text, "a b", "a b"),
        (settings.text, " padded\n", "padded"),
        (settings.whole_number, "0", 0),
        (settings.whole_number, "00604800", 604_800),
        (settings.flag, "true", True),
        (settings.flag, " false ", False),
    ],
)
def test_a_good_setting_is_read(
    read: Callable[[str], object], value: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)
    found = read(NAME)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("read", "value", "complaint"),
    [
        *(
            (settings.whole_number, value, "must be a whole number")
            for value in ("-1", "1.0", "1e3", "ten", "0x1", "²")
        ),
        *((settings.flag, value, "must be 'true' or 'false'") for value in ("True", "yes", "1", "0", "truefalse")),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_must_be(
    read: Callable[[str], object], value: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(SettingError, match=f"{NAME} {complaint}, not '{value}'"):
        read(NAME)


@pytest.mark.parametrize(("value", "insecure"), [("https://a.b/c", False), ("http://a", True), ("https://a", True)])
def test_a_url_is_read(value: str, *, insecure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)
    assert settings.url(NAME, may_be_insecure=insecure) == value


@pytest.mark.parametrize("value", ["http://user:secret@a", "HTTP://secret", "ftp://secret", "secret", "//secret"])
def test_g5_a_url_in_clear_is_refused_unquoted(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(SettingError, match=f"{NAME} must be an https URL") as caught:
        settings.url(NAME, may_be_insecure=False)
    assert "secret" not in str(caught.value)
