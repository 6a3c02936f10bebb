"""The audit itself on trial: it finds every planted leak, in the link where it is, and nothing in a clean chain."""

from collections.abc import Callable

import pytest

from deepstack.audit.chain import audit_chain
from deepstack.audit.features import audit_features
from deepstack.audit.mutations import CHAIN_LEAKS, MUTATIONS, SUBJECTS, VICTIM, Mutation
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig

ROWS = 60


def test_there_are_enough_and_each_has_a_name() -> None:
    assert len(MUTATIONS) >= 20
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_clean_chain_raises_no_alarm(
    subject: str, config_of: Callable[..., RunConfig], audited_market: Market
) -> None:
    found = audit_chain(config_of(subject), audited_market, rows=ROWS)
    assert not found.leaks, found.lines()
    assert len([link for link in found.links if not link.skipped]) >= 13
    assert "no look-ahead found" in found.summary


@pytest.mark.parametrize("mutation", MUTATIONS[: -len(CHAIN_LEAKS)], ids=lambda mutation: mutation.name)
def test_a_feature_that_looks_ahead_is_named(mutation: Mutation, audited_market: Market) -> None:
    with mutation.plant():
        found = audit_features(audited_market, ["return_5", VICTIM], ROWS)
    assert found.offence is not None and found.offence.what == VICTIM


@pytest.mark.parametrize("mutation", CHAIN_LEAKS, ids=lambda mutation: mutation.name)
def test_a_leak_in_the_chain_is_found_where_it_is(
    mutation: Mutation, config_of: Callable[..., RunConfig], audited_market: Market
) -> None:
    more = ["features.max_features=2", "features.names=[]"] if "selected" in mutation.name else []
    with mutation.plant():
        found = audit_chain(config_of(mutation.subject, *more), audited_market, rows=ROWS, links=[mutation.link])
    assert [link.name for link in found.leaks] == [mutation.link], found.lines()
