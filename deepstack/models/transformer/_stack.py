"""What the transformers share: their options, the table of sizes, and a stack of blocks by the depth engine."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from deepstack.layers.remat_scan import RematScan
from deepstack.layers.sine_positions import SinePositions
from deepstack.layers.transformer_block import TransformerBlock
from deepstack.models.options import between


class Size(NamedTuple):
    """Blocks, units and heads."""

    depth: int
    width: int
    heads: int


SIZES = {"small": Size(2, 64, 4), "base": Size(6, 256, 8), "large": Size(12, 512, 16), "huge": Size(24, 768, 32)}
"""By name; the inner units of the feed-forward part are four times the width."""

FEW_BLOCKS = 6
"""Whose products fit into memory without a thought."""


@dataclass(frozen=True)
class TransformerConfig:
    """Options of the shared stack.

    Attributes:
        size: small, base, large or huge: depth 2, 6, 12, 24; width 64, 256, 512, 768; heads 4, 8, 16, 32.
        depth: blocks; 0 takes the size's. Any depth compiles alike.
        rotary: turn queries and keys by their position.
        spans: steps that each group of heads sees to either side, 0 for all of them; none lets every head see all.
        experts: feed-forward experts of each block, of which a step uses two; 0 for one plain feed-forward part.
        dropout: in every block.
        drop_path: probability with which a sample leaves a residual branch out.
        checkpoint: what the backward pass keeps of the stack: `input`, `everything`, or every k-th input; `auto` is
            everything of up to 6 blocks, a third faster, and the inputs of more.
    """

    size: str = "small"
    depth: int = 0
    rotary: bool = True
    spans: tuple[int, ...] = ()
    experts: int = 0
    dropout: float = 0.1
    drop_path: float = 0.0
    checkpoint: str | int = "auto"

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size: expected one of {', '.join(SIZES)}, received {self.size!r}")
        if min(self.spans, default=0) < 0 or self.depth < 0 or self.experts < 0 or self.experts == 1:
            raise ValueError("spans, depth, experts: expected 0 or more, and 0 or at least 2 experts")
        if len(self.spans) > self.heads:
            raise ValueError(f"spans: expected at most one for each of {self.heads} heads, received {len(self.spans)}")
        between(self, 0.0, 1.0, "dropout", "drop_path")

    @property
    def blocks(self) -> int:
        """Depth of the stack."""
        return self.depth or SIZES[self.size].depth

    @property
    def width(self) -> int:
        """Units of every step."""
        return SIZES[self.size].width

    @property
    def heads(self) -> int:
        """Of every attention."""
        return SIZES[self.size].heads


def stack(config: TransformerConfig, name: str, *, causal: bool = False, blocks: int | None = None) -> RematScan:
    """The blocks as one layer, `[batch, time, width]` to the same; `blocks` overrides the config's depth."""
    block = TransformerBlock(
        config.heads,
        4 * config.width,
        causal=causal,
        rotary=config.rotary,
        spans=config.spans,
        experts=config.experts,
        dropout=config.dropout,
        drop_path=config.drop_path,
    )
    depth, policy = blocks or config.blocks, config.checkpoint
    if policy == "auto":
        policy = "everything" if depth <= FEW_BLOCKS else "input"
    return RematScan(block, depth, policy, name=name)


def encoded(
    x: Any, config: TransformerConfig, name: str = "encoder", *, causal: bool = False, sines: bool = True
) -> Any:
    """`[batch, time, features]` embedded, given positions, run through the stack and normalised."""
    x = keras.layers.Dense(config.width, name=f"{name}_embed")(x)
    if sines:
        x = SinePositions(name=f"{name}_positions")(x)
    x = stack(config, f"{name}_blocks", causal=causal)(x)
    return keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


def crossed(x: Any, context: Any, config: TransformerConfig, name: str) -> Any:
    """`x + attention(LN(x), context)`: each step of x looks at all steps of another sequence."""
    attention = keras.layers.MultiHeadAttention(
        config.heads, config.width // config.heads, dropout=config.dropout, name=f"{name}_attention"
    )
    normed = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return keras.layers.Add(name=f"{name}_joined")([x, attention(normed, context)])
