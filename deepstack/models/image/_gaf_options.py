"""Options of the networks on Gramian images; read without Keras, for what only draws."""

from dataclasses import dataclass

from deepstack.gramian import FIELDS, Drawing, Field
from deepstack.models.options import between, positive

RESNET18 = (64, 128, 256, 512), (2, 2, 2, 2)
"""Filters and blocks of the four stages (He et al. 2016, Deep residual learning for image recognition, table 1)."""


@dataclass(frozen=True)
class GafResnet18Config:
    """Options of the network.

    Attributes:
        size: pixels a side; bars are averaged to it, or repeated where there are fewer.
        fields: which Gramian fields of each channel, `summation` and `difference`.
        joint: sizes of groups of channels, from the first, that share one minimum and maximum; each further channel
            has its own. [4] for open, high, low, close; [3] for body, upper_shadow, lower_shadow; [4, 3] for both.
        weights: none, imagenet, or the path of a file: a state dict of torchvision or timm as `.safetensors`, or Keras
            weights as `.weights.h5`. Stages 1 and 2 are frozen unless none.
        filters: of each stage; ResNet18's are the default.
        blocks: of each stage.
        units: of the dense layer.
        dropout: before the dense layer.
        dropout_after: after it.
    """

    size: int = 64
    fields: tuple[Field, ...] = FIELDS
    joint: tuple[int, ...] = ()
    weights: str = "none"
    filters: tuple[int, ...] = RESNET18[0]
    blocks: tuple[int, ...] = RESNET18[1]
    units: int = 128
    dropout: float = 0.5
    dropout_after: float = 0.3

    @property
    def drawing(self) -> Drawing:
        """How a window becomes an image."""
        return Drawing(self.size, self.fields, self.joint)

    def __post_init__(self) -> None:
        positive(self, "size", "filters", "blocks", "units")
        if not self.fields or len(set(self.fields)) < len(self.fields):
            raise ValueError(f"fields: expected one or two different ones, received {list(self.fields)}")
        if any(group < 1 for group in self.joint):
            raise ValueError(f"joint: expected groups of 1 or more, received {self.joint}")
        if len(self.filters) != len(self.blocks) or self.filters[0] != 64:
            raise ValueError(f"filters, blocks: expected as many of each, 64 filters first, received {self.filters}")
        if self.weights != "none" and (self.filters, self.blocks) != RESNET18:
            raise ValueError(f"weights: expected none for stages other than ResNet18's, received {self.weights}")
        between(self, 0.0, 1.0, "dropout", "dropout_after")
