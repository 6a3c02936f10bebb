"""What a request brings, up to a limit."""

from fastapi import Request

from deepstack.serving.server.refusal import invalid


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: it is larger.
    """
    refusal = invalid(f"a body of {most_bytes} bytes at most is read")
    if int(request.headers.get("content-length") or 0) > most_bytes:
        raise refusal
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise refusal
    return b"".join(parts)
