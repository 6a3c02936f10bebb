"""Learnability: windows whose rule is known, each model against each rule.

A model is made for some of the tasks by its kind (`MADE_FOR`); those it must solve: at least 95 % of the accuracy that
knowing the rule attains, on fresh samples. The others it is given a short training on, and the table says what came of
it; a rule across timeframes is out of sight of a model that sees one. Training is the product's own loop, binary head,
default options; it ends once validation is solved, or with its epochs.

About an hour on 2 cores; what is done is kept in results/learnability.json and not done again:
`python benchmarks/learnability.py [--models lstm,tcn] [--tasks motif] [--anew]`; the table: `--table`.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _result import RESULTS, Bar, write_result
from _tasks import BARS, COARSE, FEATURES, TASKS, Drawn

from deepstack.artifact.model import raw_outputs
from deepstack.config.training import ScheduleConfig, TrainingConfig
from deepstack.models import catalogue
from deepstack.models.heads import binary_head
from deepstack.models.inputs import input_shapes
from deepstack.models.memory.episodic_memory import RECALL
from deepstack.pipeline.episodes import refresher
from deepstack.samples.batches import Samples
from deepstack.training.fit import fit
from deepstack.training.losses import cross_entropy
from deepstack.training.objective import objective_of

TRAIN, CHECK, TEST = 12_288, 1_024, 4_096
SHARE = 0.95
EPOCHS, EPOCHS_OF_OTHERS = 20, 4
CONFIG = TrainingConfig(
    optimizer="adam",
    learning_rate=2e-3,
    schedule=ScheduleConfig(warmup_share=0.02, final_share=0.05),
    batch_size=128,
    early_stopping_epochs=EPOCHS,
    strategy="none",
)
MADE_FOR = {
    "cnn1d": {"motif"},
    "cnn2d": {"motif"},
    "residual_cnn1d": {"motif"},
    "attention_cnn1d": {"motif"},
    "tcn": {"motif", "long_lag"},
    "lstm": {"motif"},
    "gru": {"motif"},
    "stacked_lstm": {"motif"},
    "bidirectional_lstm": {"motif"},
    "conv_lstm": {"motif"},
    "attentive_lstm": {"cross_timeframe"},
    "transformer": {"long_lag"},
    "transformer_attention": {"long_lag"},
    "transformer_encoder": {"long_lag"},
    "transformer_decoder": {"long_lag"},
    "transformer_cnn": {"motif"},
    "multi_head_horizon": {"motif"},
    "cross_timeframe": {"cross_timeframe"},
    "lstm_transformer": {"long_lag"},
    "adaptive_hybrid": {"long_lag"},
    "multiscale_hybrid": {"motif"},
    "memory_augmented": {"long_lag"},
    "episodic_memory": {"episode"},
}


class UntilSolved(keras.callbacks.Callback):
    """Ends training once validation is solved with a little to spare."""

    def __init__(self, inputs: dict[str, np.ndarray], won: np.ndarray, accuracy: float) -> None:
        super().__init__()
        self.inputs, self.won, self.accuracy = inputs, won, accuracy

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if accuracy_of(self.model, self.inputs, self.won) >= self.accuracy:
            self.model.stop_training = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = list(MADE_FOR)
    parser.add_argument("--models", default=",".join(models))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    parser.add_argument("--table", action="store_true", help="print the table of what is known as Markdown")
    arguments = parser.parse_args()
    known: dict[str, dict[str, Any]] = {}
    if (RESULTS / "learnability.json").exists():
        known = json.loads((RESULTS / "learnability.json").read_text(encoding="utf-8"))["table"]
    if arguments.table:
        print(table(known))
        return
    missed = 0
    for task in arguments.tasks.split(","):
        for name in arguments.models.split(","):
            if can_see(name, task) and (arguments.anew or task not in known.get(name, {})):
                known.setdefault(name, {})[task] = solved = solve(name, task)
                print(f"{name:22} {task:16} {solved}", flush=True)
                missed = write_result("learnability", bars(known), table=known)
    sys.exit(missed)


def bars(known: dict[str, dict[str, Any]]) -> list[Bar]:
    """One bar a task: the worst of the models made for it."""
    found = []
    for task, what in TASKS.items():
        made = [known.get(name, {}).get(task) for name, tasks in MADE_FOR.items() if task in tasks]
        worst = min(solved["share_of_attainable"] if solved else 0.0 for solved in made)
        promise = f"{what.summary}: share of the attainable accuracy, worst of {len(made)} models made for it"
        found.append(Bar(promise, worst, ">=", SHARE))
    return found


def solve(name: str, of_task: str) -> dict[str, float | None]:
    """Train a model on a task and ask it of fresh samples."""
    entry, head, task = catalogue.find(name), binary_head(), TASKS[of_task]
    epochs = EPOCHS if of_task in MADE_FOR[name] else EPOCHS_OF_OTHERS
    timeframes = (COARSE,) if entry.sees == "timeframes" else ()
    shapes = input_shapes(entry.sees, FEATURES, BARS, timeframes, when=entry.when)
    drawn = task.draw(TRAIN + CHECK + TEST, np.random.default_rng(1))
    inputs = {key: drawn.inputs[key] for key in shapes}
    train, check, test = np.split(np.arange(len(drawn.won)), [TRAIN, TRAIN + CHECK])
    objective = objective_of(head, CONFIG)
    solved = UntilSolved(of(inputs, check), drawn.won[check], 0.98 * task.attainable)
    learned, checked = (slice_of(drawn, inputs, rows) for rows in (train, check))
    refresh = refresher(learned, drawn.end_s[train], head, cross_entropy(head), 1) if entry.when else None
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            lambda: catalogue.build(name, shapes, head),
            objective,
            learned,
            checked,
            CONFIG.model_copy(update={"epochs": epochs}),
            seed=1,
            folder=Path(folder),
            callbacks=[solved],
            before_epoch=refresh,
            xla=entry.xla,
        )
    accuracy = accuracy_of(fitted.model, of(inputs, test), drawn.won[test])
    without = None
    if entry.when:
        memory, none = fitted.model.get_layer(RECALL), np.zeros(0)
        memory.write(none.reshape(0, memory.keys.shape[1]), none.reshape(0, memory.answers), none, none)
        without = accuracy_of(fitted.model, of(inputs, test), drawn.won[test])
    keras.utils.clear_session()
    return {
        "accuracy": accuracy,
        "accuracy_with_an_empty_memory": without,
        "share_of_attainable": accuracy / task.attainable,
        "epochs": fitted.epochs,
        "seconds": time.perf_counter() - started,
    }


def can_see(name: str, task: str) -> bool:
    """A rule across timeframes is for models that see several."""
    return task != "cross_timeframe" or catalogue.find(name).sees == "timeframes"


def table(known: dict[str, dict[str, Any]]) -> str:
    """Accuracy as a share of what is attainable; bold where the model is made for the task."""
    lines = ["| model | " + " | ".join(task.summary for task in TASKS.values()) + " |", "|---|" + "---:|" * len(TASKS)]
    for name in MADE_FOR:
        cells = []
        for task in TASKS:
            solved = known.get(name, {}).get(task)
            share = "" if solved is None else f"{solved['share_of_attainable']:.0%}"
            bold = f"**{share}**" if share and task in MADE_FOR[name] else share
            cells.append(bold if can_see(name, task) else "out of sight")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of(inputs: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in inputs.items()}


def slice_of(drawn: Drawn, inputs: dict[str, np.ndarray], rows: np.ndarray) -> Samples:
    won = drawn.won[rows].astype(np.float32)
    y = np.stack([1.0 - won, won, np.zeros_like(won), np.zeros_like(won)], axis=-1)[:, None]
    return Samples(inputs, rows, y, np.ones((len(rows), 1), np.float32))


def accuracy_of(model: keras.Model, inputs: dict[str, np.ndarray], won: np.ndarray) -> float:
    return float(((raw_outputs(model, inputs)[:, 0] > 0.0) == won).mean())


if __name__ == "__main__":
    main()
