"""Credit of WRITEs: what was stored and used later was worth storing, however long ago; what was skipped and missed, too."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from automem_agents.journal.credits import log_credit, withdraw_credit
from automem_agents.journal.write_credits import set_write_reward, used_among, written_by

STORED_AND_USED, SKIPPED_AND_MISSED = 1.0, -1.0


def credit_writes(connection: Connection, namespace: int, used: Collection[int], unused: Collection[int]) -> None:
    """Credit the WRITEs of records that an answer used, and take it back from those that none uses any more.

    Credit goes through lineage: what was merged into a record, or summed up by it, was worth storing as well.

    Args:
        used: records with a new use.
        unused: records with one use less.
    """
    for write in written_by(connection, used):
        if write.reward is None:
            set_write_reward(connection, write.decision_seq, STORED_AND_USED)
            log_credit(connection, namespace, write.decision_seq)
    still = used_among(connection, sorted(unused))
    for write in written_by(connection, set(unused) - still):
        if write.reward == STORED_AND_USED and not used_among(connection, [write.record_seq]):
            set_write_reward(connection, write.decision_seq, None)
            withdraw_credit(connection, write.decision_seq)


def blame_skips(connection: Connection, namespace: int, missed: Collection[int]) -> None:
    """Blame the SKIPs of texts that were missed; what a policy pruned or stored before has earned what it earned."""
    for write in written_by(connection, missed):
        if write.reward is None:
            set_write_reward(connection, write.decision_seq, SKIPPED_AND_MISSED)
            log_credit(connection, namespace, write.decision_seq)
