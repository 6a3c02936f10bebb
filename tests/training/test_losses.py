"""Binary cross-entropy against its definition."""

import numpy as np
import pytest

from deepstack.training.losses import binary_cross_entropy


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_it_is_the_negative_log_likelihood_of_smoothed_labels(shape):
    y, logits = np.array([0.0, 1.0, 1.0], np.float32), np.array([-2.0, 0.5, 3.0], np.float32)
    probability, smooth = 1 / (1 + np.exp(-logits)), y * 0.9 + 0.05
    expected = -(smooth * np.log(probability) + (1 - smooth) * np.log(1 - probability))
    found = binary_cross_entropy(0.1)(y, logits.reshape(shape)).numpy()
    assert found.shape == (3,)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_extreme_logits_stay_finite():
    found = binary_cross_entropy()(np.array([0.0, 1.0], np.float32), np.array([200.0, -200.0], np.float32)).numpy()
    np.testing.assert_allclose(found, 200.0)
