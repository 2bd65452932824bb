"""What numbers and words of a deployment must be; DeploymentError says which is not."""

from __future__ import annotations

from symsim.errors import DeploymentError, did_you_mean


def positive_integer(name: str, value: object) -> int:
    """The value, which must be a whole number of at least 1. Raises DeploymentError naming it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DeploymentError(f"{name} = {value!r} must be a whole number of at least 1")
    return value


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise DeploymentError for a value that is none of those."""
    if value not in choices:
        raise DeploymentError(
            f"{name} = {value!r} is not one of {', '.join(choices)}; {did_you_mean(str(value), choices)}"
        )


def check_fits(name: str, one: int, other_name: str, other: int) -> None:
    """Raise DeploymentError where neither number divides the other."""
    if one % other and other % one:
        raise DeploymentError(
            f"{name} = {one} and {other_name} = {other}: one must divide the other, or groups straddle nodes"
        )


def check_divides(name: str, part: int, whole_name: str, whole: int) -> None:
    """Raise DeploymentError where a part does not divide the whole."""
    if whole % part:
        raise DeploymentError(f"{name} = {part} does not divide {whole_name} = {whole}; choose one that does")
