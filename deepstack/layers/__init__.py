"""Custom Keras layers. Importing this package registers them all, so that Keras can read `.keras` and `.h5` files."""

from deepstack.layers import (
    counter_dropout,
    dense_growth,
    feature_attention,
    plain_dense,
    remat_scan,
    residual_dense,
    zero_columns,
)

__all__ = [
    "counter_dropout",
    "dense_growth",
    "feature_attention",
    "plain_dense",
    "remat_scan",
    "residual_dense",
    "zero_columns",
]
