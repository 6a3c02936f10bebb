"""A hierarchy of resolutions: an LSTM on the newest bars, transformers on ever coarser views of the whole window."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.hybrid._parts import HybridConfig
from deepstack.models.inputs import BASE
from deepstack.models.options import positive
from deepstack.models.transformer._stack import crossed, encoded


@dataclass(frozen=True)
class MultiscaleHybridConfig(HybridConfig):
    """Options of the network.

    Attributes:
        newest_bars: the LSTM reads so many of the newest bars, or the whole window if it is shorter.
        scales: bars that each coarser view averages, ascending; one transformer each.
    """

    newest_bars: int = 16
    scales: tuple[int, ...] = (2, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "newest_bars", "scales")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: MultiscaleHybridConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs.

    Each view looks at the next coarser one before it is pooled, so what is far back informs what is near.
    """
    bars = inputs[BASE][0]
    features = keras.Input(inputs[BASE], name=BASE)
    coarser, pooled = None, []
    for scale in sorted(config.scales, reverse=True):
        view = keras.layers.AveragePooling1D(scale, padding="same", name=f"every_{scale}")(features)
        view = encoded(view, config, f"scale_{scale}")
        if coarser is not None:
            view = crossed(view, coarser, config, f"scale_{scale}_looks_up")
        pooled.append(attention_pooled(view, f"scale_{scale}_attention"))
        coarser = view
    newest = keras.layers.Cropping1D((max(bars - config.newest_bars, 0), 0), name="newest")(features)
    steps = keras.layers.LSTM(config.units, return_sequences=True, name="lstm")(newest)
    steps = keras.layers.Dense(config.width, name="lstm_projection")(steps)
    steps = crossed(steps, coarser, config, "newest_looks_up")
    pooled.append(attention_pooled(steps, "newest_attention"))
    x = keras.layers.Dropout(config.dropout, name="dropout")(keras.layers.Concatenate(name="joined")(pooled))
    return keras.Model({BASE: features}, head.outputs(x), name="multiscale_hybrid")
