"""The clock of the machine, and conversions to and from microseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """Microseconds since 1970, UTC."""

    def now(self) -> int:
        """Return the time."""
        return time.time_ns() // 1000


@lru_cache(maxsize=4096)  # the records of a session share their times
def to_datetime(micros: int) -> datetime:
    """Convert microseconds to an aware datetime.

    Examples:
        >>> to_datetime(0).isoformat()
        '1970-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=micros)


def to_micros(moment: datetime) -> int:
    """Convert a datetime to microseconds; a naive one is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
