"""Parses the weights ("q-values") of headers such as Accept and Accept-Encoding (RFC 9110, 12.4.2)."""

from __future__ import annotations


def weights(header: str) -> dict[str, float]:
    """The weight of each name, from 0 to 1, in the order of the header. Names are in lower case.

    An entry with a malformed weight is ignored. If a name occurs twice, the first entry counts.
    """
    by_name: dict[str, float] = {}
    for entry in header.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weight = _weight(parameters)
        if name and weight is not None:
            by_name.setdefault(name, weight)
    return by_name


def _weight(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return None
            return weight if 0 <= weight <= 1 else None
    return 1.0
