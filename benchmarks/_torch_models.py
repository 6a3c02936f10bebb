"""Some of the sequence models in PyTorch eager, timed on request: run by `models.py` with PyTorch's own Python.

Argument: a model's name. Each line on stdin, `train N` or `one N`, asks for that many training steps, or answers to one
window; the reply is their seconds as JSON. Sizes are those of `_model_steps.py`.
"""

import json
import sys
import time

import torch
from torch import nn

BATCH, BARS, FEATURES, OUTPUTS, CLASSES = 256, 64, 64, 3, 3
UNITS, DROPOUT = 64, 0.1


class Recurrent(nn.Module):
    """Two stacked layers; the newest step's state is the answer's."""

    def __init__(self, layer: type[nn.Module]) -> None:
        super().__init__()
        self.layers = layer(FEATURES, UNITS, 2, batch_first=True, dropout=DROPOUT)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(UNITS, OUTPUTS * CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x)[0][:, -1])


class Convolutional(nn.Module):
    """Three times Conv1D-BN-ReLU-pool-dropout, then dense."""

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for channels in (FEATURES, UNITS, UNITS):
            stages += [nn.Conv1d(channels, UNITS, 3, padding=1, bias=False), nn.BatchNorm1d(UNITS), nn.ReLU()]
            stages += [nn.MaxPool1d(2), nn.Dropout(DROPOUT)]
        dense = [nn.Flatten(), nn.Linear(UNITS * BARS // 8, UNITS), nn.ReLU(), nn.Dropout(DROPOUT)]
        self.stages = nn.Sequential(*stages, *dense, nn.Linear(UNITS, OUTPUTS * CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stages(x.transpose(1, 2))


class Encoder(nn.Module):
    """Two Post-LN blocks of four heads, mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(FEATURES, UNITS), nn.Linear(UNITS, OUTPUTS * CLASSES)
        block = nn.TransformerEncoderLayer(UNITS, 4, 4 * UNITS, DROPOUT, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 2)
        self.register_buffer("positions", torch.randn(BARS, UNITS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.embed(x) + self.positions).mean(1))


TWINS = {
    "lstm": lambda: Recurrent(nn.LSTM),
    "gru": lambda: Recurrent(nn.GRU),
    "cnn1d": Convolutional,
    "transformer_encoder": Encoder,
}


def main() -> None:
    torch.manual_seed(0)
    model = TWINS[sys.argv[1]]()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    x, y = torch.randn(BATCH, BARS, FEATURES), torch.randint(0, CLASSES, (BATCH * OUTPUTS,))

    def train() -> None:
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x).reshape(-1, CLASSES), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def one() -> None:
        model.eval()
        with torch.inference_mode():
            model(x[:1]).numpy()

    tasks = {"train": train, "one": one}
    for task in tasks.values():
        task()
    parameters = sum(weight.numel() for weight in model.parameters())
    print(json.dumps({"version": torch.__version__, "parameters": parameters}), flush=True)
    for line in sys.stdin:
        name, count = line.split()
        seconds = []
        for _ in range(int(count)):
            started = time.perf_counter()
            tasks[name]()
            seconds.append(time.perf_counter() - started)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
