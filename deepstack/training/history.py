"""training.csv: one row an epoch."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from deepstack.errors import DeepstackError
from deepstack.training.checkpoint import write_durably
from deepstack.training.state import HistoryRow

COLUMNS = ("epoch", "loss", "val_loss", "val_auc", "lr", "seconds", "samples_per_s")


def write_history(path: Path, rows: Sequence[HistoryRow]) -> None:
    """Write all rows at once and rename: a few lines, so a resumed run has no half row and no row twice.

    Raises:
        DeepstackError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    written = path.with_suffix(".csv.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(written, lambda file: file.write(text.getvalue().encode()))
        written.replace(path)
    except OSError as error:
        raise DeepstackError(
            str(path),
            expected="a writable file",
            received=str(error),
            remedy="freeing space or another --out, then --resume",
        ) from error
