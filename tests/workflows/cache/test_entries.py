"""What an entry of the cache concludes from gets, listings and writes."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve

from lambdacore_async import (
    NetworkConnector,
    NetworkConnectorState,
    NetworkConnectorSummary,
    NetworkConnectorType,
)
from lambdacore_async.workflows.cache.entries import Entry

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)
ACTIVE = NetworkConnectorState.ACTIVE
CONNECTOR = NetworkConnector("arn", "a", "nc-1", state=ACTIVE, last_modified=MODIFIED)
SUMMARY = NetworkConnectorSummary(
    "arn", "a", "nc-1", NetworkConnectorType.VPC_EGRESS, ACTIVE, MODIFIED
)


def read_at(sent: float) -> Entry:
    entry = Entry("nc-1")
    assert entry.record_get(CONNECTOR, sent, now=sent)
    return entry


def test_a_listing_confirms_a_connector_whose_summary_is_unchanged() -> None:
    entry = read_at(1000)
    assert entry.record_summary(SUMMARY, sent=1010, now=1011)
    assert entry.as_of == 1010


def test_a_listing_that_was_sent_before_a_write_confirms_nothing() -> None:
    entry = read_at(1000)
    entry.record_write(1010)
    before = entry.as_of, entry.key
    assert not entry.record_summary(SUMMARY, sent=1009, now=1011)
    assert (entry.as_of, entry.key) == before


def test_a_listing_does_not_confirm_a_connector_that_is_busy() -> None:
    entry, pending = Entry("nc-1"), NetworkConnectorState.PENDING
    entry.record_get(evolve(CONNECTOR, state=pending), 1000, now=1000)
    assert not entry.record_summary(evolve(SUMMARY, state=pending), sent=1010, now=1011)
    assert entry.as_of == 1000


def test_a_get_that_was_sent_before_a_write_does_not_count() -> None:
    entry = read_at(1000)
    entry.record_write(1010)
    assert not entry.record_get(evolve(CONNECTOR, state=None), 1009, now=1011)
    assert entry.connector == CONNECTOR
