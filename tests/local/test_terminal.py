"""What is printed in a terminal: nothing that it would obey, lines that end between words, colours on request."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from local import ledger, logs

HOSTILE = "\x1b]0;title\x07 \x1b[2J \x9b31m \x7f \r \u202e \u2028 \ud800 fine: é 👩‍💻"


def console(monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True, **environment: str) -> Console:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, highlight=False)


def printed(shown: Console) -> str:
    file: Any = shown.file
    return str(file.getvalue())


def line(**members: Any) -> str:
    given = {"level": "WARNING", "message": "refused", "timestamp": "2026-01-01 12:00:00,000", "service": "webhook"}
    return json.dumps({**given, **members})


@pytest.mark.parametrize(
    "text",
    [
        line(message=HOSTILE),
        line(reason=HOSTILE),
        line(**{HOSTILE: "value"}),
        line(run_id=HOSTILE[-9:] + "\x1b[1m"),
        line(service=HOSTILE),
        line(timestamp="2026-01-01 \x1b[1m:\x1b[2m"),
        line(exception=f"Traceback\n{HOSTILE}"),
        HOSTILE,
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_a_log_line_has_no_control_characters_that_are_not_ours(
    monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool
) -> None:
    shown = console(monkeypatch, terminal=terminal, NO_COLOR="1")
    logs.show(shown, "WebhookFunction", text)
    left = re.sub(r"\x1b\[[0-9;]*m", "", printed(shown).replace("\n", "")) if terminal else printed(shown)
    assert left.replace("\n", "").replace("\u200d", "").isprintable()
    left.encode()


def test_control_characters_are_written_out_and_other_texts_are_as_they_were() -> None:
    assert logs.plain("a\x1b[1m\nb", keep="\n") == "a\\x1b[1m\nb"
    assert logs.plain("é 👩‍💻 日本語 a b\u00a0c") == "é 👩‍💻 日本語 a b\u00a0c"


def test_the_ledger_shows_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"run_id": f"[red]{HOSTILE}", "outcome": "failed", "source": "webhook", "created_at": "2026-01-01T12:00:00Z"}
    shown = console(monkeypatch, terminal=False)
    shown.print(ledger.table([item]))
    ledger._show_result(shown, f"[red]{HOSTILE}", {"text": HOSTILE})  # noqa: SLF001
    assert printed(shown).replace("\n", "").replace("\u200d", "").isprintable()
    assert "[red]" in printed(shown)


def test_in_80_columns_a_log_line_ends_between_words_and_goes_on_after_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = console(monkeypatch, NO_COLOR="1")
    words = [f"word{number:03}" for number in range(40)]
    logs.show(shown, "WebhookFunction", line(reason=" ".join(words), exception="Traceback:\n  File x"))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed(shown)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [one for one in " ".join(lines).split() if one.startswith("word")] == words
    assert lines[0].startswith("12:00:00 webhook")
    assert all(one.startswith(" " * 9) for one in lines[1:])
    assert lines[-1] == "           File x"


def test_where_nobody_looks_a_log_line_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = console(monkeypatch, terminal=False)
    logs.show(shown, "WebhookFunction", line(reason="word " * 100))
    assert printed(shown).count("\n") == 1
    assert "\x1b" not in printed(shown)


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = console(monkeypatch, NO_COLOR="1")
    logs.show(shown, "WebhookFunction", line(level="ERROR", exception="E"))
    sequences = re.findall(r"\x1b\[([0-9;]*)m", printed(shown))
    assert {code for one in sequences for code in one.split(";")} <= {"0", "1", "2"}, "bold and dim are no colours"


def test_the_ledger_shows_a_run_that_only_a_token_vouches_for_and_marks_a_doubtful_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = {"run_id": "a", "outcome": "unconfirmed", "source": "webhook", "delivered_at": "2026-01-01T12:00:00Z"}
    ended = {**claim, "run_id": "b", "outcome": "failed", "unverified": True, "created_at": "2026-01-01T13:00:00Z"}
    shown = console(monkeypatch, terminal=False)
    shown.print(ledger.table([claim, ended]))
    lines = printed(shown).splitlines()
    assert [line.split()[:2] for line in lines if line.split()[:1] in (["a"], ["b"])] == [
        ["a", "unconfirmed"],
        ["b", "failed?"],
    ]
