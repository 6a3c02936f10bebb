"""The feature list that a servable was trained on, told where every server tells it: in the name of a signature."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

PREFIX = "feature_list_"


def signature_for(features: Sequence[str]) -> str:
    """`feature_list_` and sixteen digits that follow from the names and their order."""
    return PREFIX + sha256("\n".join(features).encode()).hexdigest()[:16]


def signature_among(signatures: Iterable[str]) -> str | None:
    """The one of a servable's signatures that tells its feature list; None where another program has made it."""
    return next((name for name in signatures if name.startswith(PREFIX)), None)
