"""Deployments by their URLs."""

from __future__ import annotations

import pytest

from runledger.domain.deployments import is_url, no_key, normalised


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://x.example", "https://x.example"),
        ("https://x.example/", "https://x.example"),
        ("HTTPS://X.Example:443//", "https://x.example"),
        ("http://x.example:80", "http://x.example"),
        ("http://x.example:443", "http://x.example:443"),
        ("https://x.example:80/", "https://x.example:80"),
        ("http://[::1]:8123/", "http://[::1]:8123"),
        ("https://x.example/Agents/V1/", "https://x.example/Agents/V1"),
        ("nonsense", "nonsense"),
    ],
)
def test_g13_a_deployment_is_the_same_however_its_url_is_spelt(url: str, same: str) -> None:
    assert normalised(url) == normalised(same) == same


@pytest.mark.parametrize(
    "text",
    ["", "x.example", "ftp://x.example", "https://", "https://u:p@x.example", "https://x.example?a=b", "http://x y"],
)
def test_g5_what_is_no_plain_url_names_no_deployment(text: str) -> None:
    assert not is_url(text)
    assert normalised(text) == text


def test_g13_what_has_no_key_says_what_to_do() -> None:
    problem = no_key("https://before.example")
    assert (problem.status, problem.slug) == (503, "deployment-without-key")
    for name in ("https://before.example", "LangGraphApiKeySecret", "LangGraphFormerUrls"):
        assert name in problem.detail
