"""What an item must be like for a change to be made to it. The adapter of the table puts these into its own language.

Of an attribute that the item does not have nothing holds but `Absent`, `Differs` and `Below`.
"""

from __future__ import annotations

from dataclasses import dataclass

type Value = str | int | bool | dict[str, str] | frozenset[str]


@dataclass(frozen=True, slots=True)
class Present:
    """The item has the attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The item does not have the attribute, or there is no item."""

    name: str


@dataclass(frozen=True, slots=True)
class Equals:
    """The attribute has this value."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Differs:
    """The attribute is absent, or has another value."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The attribute has one of these values."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The attribute is this number or more."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """The attribute is this number or less."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Below:
    """The attribute is absent, or less than this number: a counter that has not reached its limit."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Either:
    """One of two conditions holds, or both."""

    one: Condition
    other: Condition


type Condition = Present | Absent | Equals | Differs | OneOf | AtLeast | AtMost | Below | Either


def as_read(name: str, value: Value | None) -> Condition:
    """Return the condition that an attribute still is what it was when the item was read; None for absent."""
    return Absent(name) if value is None else Equals(name, value)
