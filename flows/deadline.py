"""When a night has to stop: `--until 07:00` and `--for 20m`, and the question asked before each batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from generation.errors import ConfigError

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def utc_now() -> datetime:
    """The present moment with its time zone, in UTC."""
    from datetime import UTC

    return datetime.now(UTC)


@dataclass(frozen=True)
class Deadline:
    """The moment (with time zone) after which no new batch starts; None never stops."""

    ends_at: datetime | None = None
    now: Callable[[], datetime] = utc_now

    def leaves_room_for(self, expected_s: float | None) -> bool:
        """True when work of `expected_s` seconds, started now, would end in time.

        Work of unknown length (None) may start as long as the deadline itself has not passed.
        """
        if self.ends_at is None:
            return True
        return self.now() + timedelta(seconds=expected_s or 0.0) < self.ends_at


def parse_span(text: str) -> timedelta:
    """A length of time such as `20m`, `1h30m`, `90s`; ConfigError for anything else or for zero."""
    found = _SPAN.fullmatch(text.strip().lower())
    hours, minutes, seconds = (int(part or 0) for part in (found.groups() if found else ("", "", "")))
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not span:
        raise ConfigError(f"--for {text!r} is not a length of time; write 20m, 1h30m or 90s")
    return span


def parse_clock(text: str, now: datetime) -> datetime:
    """The next moment after `now` (with time zone) when a local clock shows `text`, such as `07:00`."""
    found = _CLOCK.fullmatch(text.strip())
    hour, minute = (int(part) for part in found.groups()) if found else (24, 0)
    if hour > 23 or minute > 59:
        raise ConfigError(f"--until {text!r} is not a time of day; write 07:00 or 23:30")
    # Wall-clock arithmetic on the naive local time, so that a change to summer time keeps 07:00 at 07:00.
    local_now = now.astimezone().replace(tzinfo=None)
    local = local_now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if local <= local_now:
        local += timedelta(days=1)
    return local.astimezone(now.tzinfo)


def deadline(until: str | None, span: str | None, now: Callable[[], datetime] = utc_now) -> Deadline:
    """The deadline that the command line asks for; ConfigError when both ways are given at once."""
    if until and span:
        raise ConfigError("--until and --for were both given; a night has one deadline, keep one of them")
    if until:
        return Deadline(parse_clock(until, now()), now)
    if span:
        return Deadline(now() + parse_span(span), now)
    return Deadline(None, now)
