"""The accounts and regions of a command: the options `--regions` and `--profiles`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from copy import copy
from typing import Annotated, Final, TypeAlias, TypeVar

import typer
from attrs import evolve, field, frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection
from lambdacore_async.cli.results import code_of, explanation_of, named
from lambdacore_async.cli.running import SOME_FAILED, status_of_error
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.configuration import ClientOptions, Configuration
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.errors import (
    EXPIRED_CODES,
    REPLACED_CODES,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ResponseError,
    TransportError,
    TransportTimeoutError,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.endpoints import is_region, partition_of
from lambdacore_async.workflows.lookups import Lookup, Lookups
from lambdacore_async.workflows.targets import MultiTargetRun, Target
from lambdacore_async_command.regions import REGIONS

Regions = Annotated[
    str | None,
    typer.Option(
        metavar="REGION,...",
        help="Regions, separated by commas; `all` for all of the partition.",
    ),
]
Profiles = Annotated[
    str | None, typer.Option(metavar="PROFILE,...", help="Profiles, separated by commas.")
]

#: The maximum number of accounts and regions at a time.
_AT_ONCE: Final = 50
_ALL: Final = "all"
#: Codes and classes of errors that come before the service has accepted the credentials.
_REFUSALS: Final = (
    REPLACED_CODES
    | EXPIRED_CODES
    | {
        error.__name__
        for error in (
            ConfigurationError,
            CredentialsError,
            ResponseError,
            TransportError,
            TransportTimeoutError,
        )
    }
)

Failure: TypeAlias = tuple[Target, str | None, LambdaCoreError]
"""A target, the identifier of the connector if only its lookup failed, and the error."""

Result = TypeVar("Result")


@frozen
class Choice:
    """The accounts and regions that a command names."""

    regions: tuple[str, ...]
    """The regions; none for each profile's own, `all` alone for all of the profile's partition."""
    profiles: tuple[str, ...]
    """The profiles; none for the default one."""
    connection: Connection
    """The options that all clients share."""


def chosen(connection: Connection, regions: str | None, profiles: str | None) -> Choice | None:
    """Return what the options name, or `None` if neither `--regions` nor `--profiles` is given.

    Raises:
        typer.BadParameter: if the options contradict each other, or a region is not valid.
    """
    if regions is None and profiles is None:
        return None
    return choice_of(connection, regions, profiles)


def choice_of(connection: Connection, regions: str | None, profiles: str | None) -> Choice:
    """Return what the options name.

    Raises:
        typer.BadParameter: if they contradict each other, or a region is not valid.
    """
    if connection.region is not None and regions is not None:
        raise typer.BadParameter("give either --region or --regions", param_hint="--regions")
    if connection.profile is not None and profiles is not None:
        raise typer.BadParameter("give either --profile or --profiles", param_hint="--profiles")
    names = _names("--regions", connection.region if regions is None else regions)
    if _ALL in names:
        names = (_ALL,)
    for name in names:
        if not is_region(name):
            raise typer.BadParameter(f"{name!r} is not a valid region name", param_hint="--regions")
    return Choice(
        names,
        _names("--profiles", connection.profile if profiles is None else profiles),
        connection,
    )


def _names(option: str, text: str | None) -> tuple[str, ...]:
    """Return the distinct names in a list with commas."""
    names = dict.fromkeys(name.strip() for name in (text or "").split(","))
    names.pop("", None)
    if text is not None and not names:
        raise typer.BadParameter("expected names, separated by commas", param_hint=option)
    return tuple(names)


@frozen
class Fleet:
    """Open clients for several accounts and regions, a client per profile."""

    targets: Sequence[Target]
    """The accounts and regions; the label of each is its profile."""
    everywhere: bool
    """Whether the command covers all regions, so that some may not be enabled."""
    _clients: dict[str | None, LambdaCoreClient] = field(alias="clients", repr=False)

    def run(
        self,
        work: Callable[[Target, LambdaCoreClient], AsyncGenerator[Result]],
        targets: Iterable[Target] | None = None,
    ) -> MultiTargetRun[Result | LambdaCoreError]:
        """Return a run that yields the results of each target, then its error, if it has one.

        Args:
            work: yields the results of a target, with a client for it.
            targets: the targets. Defaults to all.
        """

        async def guarded(target: Target) -> AsyncGenerator[Result | LambdaCoreError]:
            client = self._clients[target.label].with_options(region=target.region)
            try:
                async with aclosing(work(target, client)) as results:
                    async for result in results:
                        yield result
            except LambdaCoreError as error:
                yield error

        return MultiTargetRun(
            self.targets if targets is None else targets, guarded, targets_at_once=_AT_ONCE
        )


@asynccontextmanager
async def fleet_of(choice: Choice, *, max_connections: int = 100) -> AsyncGenerator[Fleet]:
    """Open the clients of a command's accounts and regions.

    Args:
        choice: the accounts and regions.
        max_connections: the maximum number of connections for each profile.

    Raises:
        ConfigurationError: if a region is needed, and a profile has none.
    """
    clients: dict[str | None, LambdaCoreClient] = {}
    targets: list[Target] = []
    async with AsyncExitStack() as stack:
        for profile in choice.profiles or (None,):
            connection = evolve(choice.connection, region=None, profile=profile)
            clients[profile] = await stack.enter_async_context(
                connection.client(max_connections=max_connections)
            )
            regions = await _regions_of(profile, choice.regions)
            targets += [Target(region, label=profile) for region in regions]
        yield Fleet(targets, choice.regions == (_ALL,), clients)


async def _regions_of(profile: str | None, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the regions of a profile's targets."""
    if regions and regions != (_ALL,):
        return regions
    configuration = Configuration(os.environ, SharedConfig(os.environ, profile))
    home = await configuration.home_region(ClientOptions())
    if regions:
        return REGIONS[partition_of(home or "").id]
    if home is None:
        whose = "" if profile is None else f" for profile {profile!r}"
        raise ConfigurationError(
            f"no region{whose}: pass --regions, or set AWS_REGION or the profile's region"
        )
    return (home,)


async def sources_of(choice: Choice, fleet: Fleet) -> dict[str, JSONValue]:
    """Return what the environment and the profiles decide on whose resources a command reads.

    It is the endpoint URL of each profile, if it is not AWS's own, and the name of the profile if
    the command names none. A profile whose settings cannot be resolved is left out; its targets
    fail.
    """
    found: dict[str, JSONValue] = {}
    for target in {each.label: each for each in fleet.targets}.values():
        options = ClientOptions(target.region, endpoint_url=choice.connection.endpoint_url)
        shared = SharedConfig(os.environ, target.label)
        with suppress(ConfigurationError):
            settings = await Configuration(os.environ, shared, verifies=False).resolve(options)
            whose = "" if target.label is None else f" of {target.label}"
            found[f"endpoint{whose}"] = settings.endpoint_url
            if target.label is None:
                found["profile"] = (await shared.load()).name
    return found


def members_of(target: Target) -> dict[str, JSONValue]:
    """Return the members that tell a target's resources from those of other targets."""
    profile: dict[str, JSONValue] = {} if target.label is None else {"Profile": target.label}
    return {**profile, "Region": target.region}


def name_of(target: Target) -> str:
    """Return a target's name in messages."""
    return target.region if target.label is None else f"{target.label} {target.region}"


async def results_of(lookups: Lookups) -> AsyncGenerator[Lookup]:
    """Run lookups and yield their results."""
    async with lookups:
        async for result in lookups:
            yield result


def report(fleet: Fleet, failures: Iterable[Failure]) -> int:
    """Print a line for each failed target to standard error, equal ones once; return the status.

    A target that refuses the credentials which another region accepts is not enabled for the
    account. That is a failure only if the command names its region.

    Args:
        fleet: the accounts and regions.
        failures: the failures.
    """
    by_target: dict[Target, dict[str, list[tuple[str | None, LambdaCoreError]]]] = {}
    for target, identifier, error in failures:
        of_target = by_target.setdefault(target, {})
        of_target.setdefault(code_of(error), []).append((identifier, error))
    accepted = {
        target.label
        for target in fleet.targets
        if not _REFUSALS.intersection(by_target.get(target, ()))
    }
    lines: dict[str, list[tuple[str, str]]] = {}
    status = 0
    for target in sorted(by_target, key=fleet.targets.index):
        for code, errors in by_target[target].items():
            if code in REPLACED_CODES and target.label in accepted:
                text = full = f"the region is not enabled, or refuses the credentials: {code}"
                its_status = 0 if fleet.everywhere else SOME_FAILED
            else:
                text, full = _in_words(code, errors)
                its_status = max(status_of_error(error) for _, error in errors)
            lines.setdefault(text, []).append((name_of(target), full))
            status = max(status, its_status)
    for text, places in lines.items():
        names = ", ".join(name for name, _ in places)
        printing.error(f"{names}:", places[0][1] if len(places) == 1 else text)
    return status


def _in_words(code: str, errors: Sequence[tuple[str | None, LambdaCoreError]]) -> tuple[str, str]:
    """Return a line about a target's errors with one code, without and with the request ID."""
    alike = [copy(error) for _, error in errors]
    for error in alike:
        error.request_id = None
    explanations = {explanation_of(error) for error in alike}
    text = explanations.pop() if len(explanations) == 1 else code
    full = explanation_of(errors[0][1]) if len(errors) == 1 else text
    identifiers = [identifier for identifier, _ in errors if identifier is not None]
    if not identifiers:
        return text, full
    return f"{named(identifiers)}: {text}", f"{named(identifiers)}: {full}"
