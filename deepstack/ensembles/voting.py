"""Voting: each member for its likeliest class, alike or by its record; soft voting is `weighted.mean`."""

import numpy as np

from deepstack.ensembles.combiner import Combiner


def voting(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """One vote a member; nothing is learned."""
    return Combiner("votes", np.full(len(given), 1.0 / len(given)))


def weighted_voting(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Votes weighted by the log odds of each member's being right, better than a guess at least a little.

    With independent members this is the best weighting of their votes.

    Source: Nitzan & Paroush 1982, Optimal decision rules in uncertain dichotomous choice situations.
    """
    classes = given.shape[2]
    right = ((given.argmax(axis=2) == codes).sum(axis=1) + 1.0) / (len(codes) + classes)
    odds = np.maximum(np.log(right * (classes - 1.0) / (1.0 - right)), 1e-3)
    return Combiner("votes", odds / odds.sum())
