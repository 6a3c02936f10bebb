"""The promises, their bars and what was last measured: `python benchmarks/summary.py > docs/performance.md`.

Reads benchmarks/results/*.json; measures nothing.
"""

from _result import RESULTS, read_result

OPENING = """\
# Performance

Made by `python benchmarks/summary.py > docs/performance.md` from `benchmarks/results/`; do not edit by hand.

Each benchmark prints its figures, writes them as JSON and compares them with its bars: every ratio comes from one run
of one script on one machine. The figures were measured on 2 CPU cores without a GPU. `make bench` runs them all.

| promise | bar | measured | met | command |
|---|---|---:|---|---|
"""

CLOSING = """
Single rows through a deep network are many small matrix products, where oneDNN's set-up costs more than the product:
serve with `TF_ENABLE_ONEDNN_OPTS=0` (docs/artifact.md). Training is the other way round: leave it at its default there.
An executor of one thread answers sooner as well (docs/serving.md).

What bounds a training step against PyTorch, and what was tried, stands at the head of `benchmarks/engine.py`; what a
server adds to a batch, at that of `benchmarks/server.py`.
"""


def main() -> None:
    print(OPENING, end="")
    for path in sorted(RESULTS.glob("*.json")):
        for bar in read_result(path.stem)[0]:
            command = f"`python benchmarks/{path.stem}.py`"
            print(f"| {bar.promise} | {bar.bound} | {bar.figure} | {'yes' if bar.met else '**no**'} | {command} |")
    print(CLOSING, end="")


if __name__ == "__main__":
    main()
