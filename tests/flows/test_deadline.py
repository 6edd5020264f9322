"""When a night has to stop."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.deadline import Deadline, deadline, parse_clock, parse_span
from generation.errors import ConfigError

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)


@pytest.fixture
def berlin(monkeypatch):
    """A local clock with summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("1h30m", 5400), ("90s", 90), ("2h", 7200), (" 1H5S ", 3605)],
)
def test_lengths_of_time(text, seconds):
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "1m30", "-5m", "30m1h", "soon"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="write 20m"):
        parse_span(text)


@given(st.integers(0, 40), st.integers(0, 90), st.integers(0, 90))
def test_every_length_reads_back(hours, minutes, seconds):
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if span:
        assert parse_span(f"{hours}h{minutes}m{seconds}s") == span


def test_until_means_the_next_such_time_on_the_local_clock(berlin):
    assert parse_clock("07:00", NOW) == datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
    assert parse_clock("23:30", NOW) == datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    assert parse_clock("23:00", NOW) == datetime(2026, 11, 25, 22, 0, tzinfo=UTC), "now itself is over"


def test_until_keeps_the_wall_clock_over_a_change_to_winter_time(berlin):
    before = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Berlin; clocks go back at 03:00
    assert parse_clock("07:00", before) == datetime(2026, 10, 25, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["7", "24:00", "07:60", "7am", "", "07:00:00"])
def test_what_is_no_time_of_day_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="write 07:00"):
        parse_clock(text, NOW)


def test_both_ways_at_once_are_refused():
    with pytest.raises(ConfigError, match="keep one"):
        deadline("07:00", "20m")


def test_work_starts_only_when_it_would_end_in_time():
    stop = Deadline(NOW + timedelta(seconds=60), now=lambda: NOW)
    assert stop.leaves_room_for(59.0)
    assert not stop.leaves_room_for(60.0)
    assert stop.leaves_room_for(None), "work of unknown length may start before the deadline"
    assert not Deadline(NOW, now=lambda: NOW).leaves_room_for(None)


def test_without_a_deadline_everything_may_start():
    assert deadline(None, None).leaves_room_for(1e9)


def test_for_counts_from_now():
    assert deadline(None, "20m", now=lambda: NOW).ends_at == NOW + timedelta(minutes=20)
