"""The reference page of all features, from the catalogue: `python -m deepstack.features.docs docs/features.md`."""

import sys
from pathlib import Path

from deepstack.features.catalogue import CHANNELS, GROUPS, MAX_LOOKBACK_BARS
from deepstack.features.feature import Feature

HEAD = """# Features

{count} features in {groups} groups. Every value depends on its bar and at most {lookback} bars before it, is free of
the instrument's price and volume scale, and is finite once its lookback is complete (0 where a ratio is undefined: no
range, no variance, no volume). *Lookback* counts bars, the current one included. *Needs* names what the candles must
carry beyond open, high, low, close and volume: `peers` is a second symbol.

Written by `python -m deepstack.features.docs docs/features.md`; the tests compare it with the catalogue.
"""

CHANNELS_HEAD = """
## candle channels

In the instrument's own prices and volumes, for networks that scale every window by themselves (`gaf_resnet18`); no
group holds them, `features.names` asks for them.

"""

TABLE_HEAD = "| name | formula | unit | lookback | needs |\n|---|---|---|---|---|\n"


def markdown() -> str:
    """The page as text: one table a group, one row a feature."""
    count = sum(len(group) for group in GROUPS.values())
    parts = [HEAD.format(count=count, groups=len(GROUPS), lookback=MAX_LOOKBACK_BARS - 1)]
    for name, group in GROUPS.items():
        parts += [f"\n## {name} ({len(group)})\n\n{TABLE_HEAD}", *map(_row, group)]
    parts += [CHANNELS_HEAD, TABLE_HEAD, *map(_row, CHANNELS.values())]
    return "".join(parts)


def _row(feature: Feature) -> str:
    formula, needs = feature.formula.replace("|", "\\|"), ", ".join(feature.needs)
    return f"| `{feature.name}` | {formula} | {feature.unit} | {feature.lookback_bars} | {needs} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")
