"""A gRPC server without a model: it multiplies matrices for as long as a model would take and answers with no outputs.

What a call of it takes beyond that is the price of gRPC in Python on this machine, which no server of models written in
Python can go below. `python benchmarks/_empty_server.py MILLISECONDS` prints its address.
"""

import asyncio
import sys
import time
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Empty(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict after so much work."""

    def __init__(self, work_ms: float) -> None:
        self.work_s, self.matrix = work_ms / 1e3, np.ones((64, 64), np.float32)

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing, later."""
        until = time.perf_counter() + self.work_s
        while time.perf_counter() < until:  # a sleeping core would take its time to wake up
            self.matrix @ self.matrix
        return predict_pb2.PredictResponse()


async def main(work_ms: float) -> None:
    server = grpc.aio.server()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Empty(work_ms), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
