"""A gRPC server with nothing in it: it waits as long as a model would take and answers with no outputs.

What a call of it takes beyond the wait is the price of gRPC in Python on this machine, which no server of models there
can go below. `python benchmarks/_empty_server.py MILLISECONDS` prints its address.
"""

import asyncio
import sys
import time
from typing import Any

import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Empty(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict after a while."""

    def __init__(self, wait_ms: float) -> None:
        self.wait_ms = wait_ms

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing, later."""
        time.sleep(self.wait_ms / 1e3)  # asyncio's own sleep is as coarse as what is measured
        return predict_pb2.PredictResponse()


async def main(wait_ms: float) -> None:
    server = grpc.aio.server()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Empty(wait_ms), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
