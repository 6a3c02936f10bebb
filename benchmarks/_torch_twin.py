"""The engine's residual network in PyTorch eager, timed on request: run by `engine.py` with PyTorch's own Python.

Arguments: width depth batch. Each line on stdin asks for that many training steps; the answer is their seconds as JSON.
"""

import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    """x + BN(W2 · relu(BN(W1 · x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense_1, self.norm_1 = nn.Linear(width, width, bias=False), nn.BatchNorm1d(width)
        self.dense_2, self.norm_2 = nn.Linear(width, width, bias=False), nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm_2(self.dense_2(torch.relu(self.norm_1(self.dense_1(x)))))


def main() -> None:
    width, depth, batch = map(int, sys.argv[1:])
    torch.manual_seed(0)
    model = nn.Sequential(*[Block(width) for _ in range(depth)], nn.Linear(width, 1))
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-3), nn.BCEWithLogitsLoss()
    x, y = torch.randn(batch, width), (torch.rand(batch, 1) < 0.5).float()

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        return time.perf_counter() - start

    for _ in range(3):
        step()
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        print(json.dumps([step() for _ in range(int(line))]), flush=True)


if __name__ == "__main__":
    main()
