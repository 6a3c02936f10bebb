"""A request that is not answered, with the code both protocols know."""

from grpc import StatusCode

HTTP = {
    StatusCode.OK: 200,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.ABORTED: 409,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INTERNAL: 500,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""gRPC code → HTTP code, as TensorFlow Serving's REST gateway maps them."""


class Refusal(Exception):  # noqa: N818  an answer, not an error of the server
    """Why a request is not answered.

    Attributes:
        code: of gRPC.
    """

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def http(self) -> int:
        """The code of HTTP."""
        return HTTP[self.code]


def invalid(message: str) -> Refusal:
    """The request cannot be understood."""
    return Refusal(StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> Refusal:
    """No such model, version or label."""
    return Refusal(StatusCode.NOT_FOUND, message)
