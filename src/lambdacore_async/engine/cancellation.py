"""Tells a cancelled task from a task that awaits something cancelled."""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Return whether the running task itself was cancelled, not something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
