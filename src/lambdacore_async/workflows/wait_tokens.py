"""Waits that outlive a process: `Wait`, and the token that resumes one elsewhere."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from attrs import evolve, frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.endpoints import is_region
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.writing import to_dict

Output_co = TypeVar("Output_co", covariant=True)

_VERSION: Final = 1
#: Maximum characters of a token. A connector with 16 subnets takes less than 2,000.
_MAX_SIZE: Final = 16 * 1024
#: The kinds of waits in tokens, and the number of names that identify the resource.
KINDS: Final = {
    "network_connector_active": 1,
    "network_connector_updated": 1,
    "network_connector_deleted": 1,
    "runtime_version_active": 2,
    "runtime_alias_active": 2,
}


class Resumable(Protocol):
    """The part of a wait that its token saves and restores."""

    @property
    def seen_id(self) -> str | None:
        """The connector's ID as seen by a poll."""
        ...

    def resume(self, seen_id: str | None, age: float, *, exists: bool) -> None:
        """Resume a wait of another process."""


Waiting = TypeVar("Waiting", bound=Resumable)


class Wait(Coroutine[Any, Any, Output_co]):
    """A wait for a resource: await it, or take its token and resume it in another process.

    It is a coroutine, which a task can run. Nothing is sent before it is awaited, and it can be
    awaited once.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[Waiting]],
        until: Callable[[Waiting], Coroutine[Any, Any, Output_co]],
        facts: Callable[[datetime], WaitToken],
        clock: Clock,
        resumed: WaitToken | None = None,
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._resumed = resumed
        self._waiting: Resumable | None = None
        self._began: datetime | None = None
        self._run = partial(self._wait, start, until)
        self._running: Coroutine[Any, Any, Output_co] | None = None

    async def _wait(
        self,
        start: Callable[[], Awaitable[Waiting]],
        until: Callable[[Waiting], Coroutine[Any, Any, Output_co]],
    ) -> Output_co:
        self._began = self._clock.now()
        waiting = await start()
        if (token := self._resumed) is not None:
            age = (self._began - token.began).total_seconds()
            waiting.resume(token.id, age, exists=token.exists)
        self._waiting = waiting
        return await until(waiting)

    def token(self) -> str:
        """Return a token, from which `client.resume_wait` resumes the wait in another process.

        The token is JSON of at most 16 KiB without secrets: the awaited state, the resource and its
        description at the start, the region, and the deadline. If the wait is not awaited yet, its
        timeout starts now.

        Raises:
            ParameterError: if the connector's description does not fit.
        """
        facts = self._resumed or self._facts(self._began or self._clock.now())
        if self._waiting is not None:
            facts = evolve(facts, id=self._waiting.seen_id)
        return facts.dump()

    def _started(self) -> Coroutine[Any, Any, Output_co]:
        if self._running is None:
            self._running = self._run()
        return self._running

    def __await__(self) -> Generator[Any, Any, Output_co]:
        return self._started().__await__()

    def send(self, value: Any) -> Any:
        """Run the wait until it suspends."""
        return self._started().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error, such as a cancellation, where the wait is suspended."""
        return self._started().throw(*error)

    def close(self) -> None:
        """Stop the wait."""
        if self._running is not None:
            self._running.close()


@frozen
class WaitToken:
    """The facts of a wait.

    Attributes:
        kind: the kind of wait, a key of `KINDS`.
        names: the names that identify the resource.
        began: when the wait began.
        deadline: when it ends.
        poll_interval: maximum seconds between two polls.
        exists: whether the resource was known to exist.
        region: the region of the client; `None` if it was not known yet.
        version: the version that an update made, if the caller named it.
        id: the ID of the connector, if a poll has seen it.
        connector: the connector as the caller passed it.
    """

    kind: str
    names: tuple[str, ...]
    began: datetime
    deadline: datetime
    poll_interval: float
    exists: bool = False
    region: str | None = None
    version: int | None = None
    id: str | None = None
    connector: NetworkConnector | None = None

    def dump(self) -> str:
        """Return the token.

        Raises:
            ParameterError: if it is too long.
        """
        connector = self.connector and NetworkConnector(
            arn=self.connector.arn,
            name=self.connector.name,
            id=self.connector.id,
            state=self.connector.state,
            version=self.connector.version,
            operator_role=self.connector.operator_role,
            last_modified=self.connector.last_modified,
            last_update_status=self.connector.last_update_status,
            configuration=self.connector.configuration,
        )
        facts = {
            "lambdacore_wait": _VERSION,
            "kind": self.kind,
            "names": self.names,
            "began": self.began.isoformat(),
            "deadline": self.deadline.isoformat(),
            "poll_interval": self.poll_interval,
            "exists": self.exists,
            "region": self.region,
            "version": self.version,
            "id": self.id,
            "connector": connector and to_dict(connector),
        }
        given = {key: value for key, value in facts.items() if value is not None}
        text = json.dumps(given, separators=(",", ":"))
        if len(text) > _MAX_SIZE:
            raise ParameterError("token", f"the connector takes more than {_MAX_SIZE} characters")
        return text

    @classmethod
    def load(cls, text: str) -> WaitToken:
        """Read a token.

        Raises:
            ParameterError: if it is not a token of this version.
        """
        if not isinstance(text, str):
            raise ParameterError("token", f"expected str, got {type(text).__name__}")
        try:
            facts: Any = json.loads(text) if len(text) <= _MAX_SIZE else None
            version: object = facts["lambdacore_wait"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ParameterError(
                "token", "is damaged or not a wait token; wait for the resource again"
            ) from None
        if version != _VERSION:
            raise ParameterError(
                "token", f"has a version other than {_VERSION}; wait for the resource again"
            )
        try:
            return cls._read(facts)
        except (ValueError, TypeError, KeyError, LambdaCoreError):
            raise ParameterError("token", "is damaged; wait for the resource again") from None

    @classmethod
    def _read(cls, facts: dict[str, Any]) -> WaitToken:
        connector = facts.get("connector")
        token = cls(
            facts["kind"],
            tuple(facts["names"]),
            datetime.fromisoformat(facts["began"]),
            datetime.fromisoformat(facts["deadline"]),
            as_seconds("poll_interval", facts["poll_interval"]),
            facts["exists"],
            facts.get("region"),
            facts.get("version"),
            facts.get("id"),
            None if connector is None else from_dict(NetworkConnector, connector),
        )
        texts = [*token.names, token.region or "us-east-1", token.id or ""]
        if not (
            len(token.names) == KINDS[token.kind]
            and all(isinstance(text, str) for text in texts)
            and is_region(texts[-2])
            and isinstance(token.exists, bool)
            and (token.version is None or (type(token.version) is int and token.version > 0))
            and None not in (token.began.utcoffset(), token.deadline.utcoffset())
        ):
            raise ValueError
        return token
