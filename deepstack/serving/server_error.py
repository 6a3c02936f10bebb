"""What a client says of a server that refuses, or that nobody reaches."""

from deepstack.errors import DeepstackError


class ServerError(DeepstackError):
    """The server refused, or could not be reached in time."""


class UnavailableError(ServerError):
    """Nobody answers at the moment: the one kind of failure that is tried again."""


class NotFoundError(ServerError):
    """The server has no such model, or not that version of it."""


ERRORS: dict[str | int, type[ServerError]] = {
    **dict.fromkeys(("UNAVAILABLE", 503), UnavailableError),
    **dict.fromkeys(("NOT_FOUND", 404), NotFoundError),
}
"""gRPC's and HTTP's codes that have an error of their own."""


def refused(kind: type[ServerError], where: str, words: str, remedy: str = "a request it takes") -> ServerError:
    """The error of this kind in one line."""
    remedy = "waiting until it serves" if kind is UnavailableError else remedy
    return kind(f"server {where}", expected="an answer", received=words, remedy=remedy)
