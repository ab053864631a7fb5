"""botocore as the reference for the wire format: its model, serializer, signer and parser.

No function uses the network. A hook takes each signed request before botocore sends it, and returns
the response that the test needs.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from attrs import frozen

from lambdacore_async.protocol.sigv4 import Credentials

_auth: Any = importlib.import_module("botocore.auth")
_awsrequest: Any = importlib.import_module("botocore.awsrequest")
_botocore: Any = importlib.import_module("botocore")
_config: Any = importlib.import_module("botocore.config")
_configprovider: Any = importlib.import_module("botocore.configprovider")
_credentials: Any = importlib.import_module("botocore.credentials")
_exceptions: Any = importlib.import_module("botocore.exceptions")
_loaders: Any = importlib.import_module("botocore.loaders")
_model: Any = importlib.import_module("botocore.model")
_utils: Any = importlib.import_module("botocore.utils")
_session_module: Any = importlib.import_module("botocore.session")

SERVICE = "lambda-core"
REGION = "us-east-1"
ENDPOINT = f"https://lambda.{REGION}.amazonaws.com"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY_CREDENTIALS = Credentials("ASIAEXAMPLE", "another/secret", "session+token/with=signs")

#: A mapping of headers with case-insensitive names, as in HTTP libraries.
CaseInsensitive: Callable[[Mapping[str, str]], Mapping[str, str]] = _awsrequest.HeadersDict


@frozen
class Sent:
    """A request as botocore sends it.

    Attributes:
        method: the HTTP method.
        target: the path and query, as sent.
        signed: the signed headers, by lower-case name.
        body: the body; empty if the request has none.
        authorization: the `Authorization` header.
    """

    method: str
    target: str
    signed: Mapping[str, str]
    body: bytes
    authorization: str


@cache
def _loader() -> Any:
    """Return a loader of models, which keeps those that it has read."""
    loader = _loaders.create_loader()
    load: Callable[..., dict[str, Any]] = loader.load_service_model

    def load_with_tags(
        service_name: str, type_name: str, api_version: str | None = None
    ) -> dict[str, Any]:
        data = load(service_name, type_name, api_version)
        if (service_name, type_name) == (SERVICE, "service-2"):
            data = copy.deepcopy(data)
            _add_tags(data, load("lambda-microvms", type_name))
        return data

    loader.load_service_model = load_with_tags
    return loader


def isolated_session() -> Any:
    """Return a botocore session that ignores the AWS settings of the machine."""
    nowhere = (None, None, os.devnull, None)
    settings = {"config_file": nowhere, "credentials_file": nowhere, "profile": (None,) * 4}
    session = _session_module.Session(session_vars=settings)
    session.register_component("data_loader", _loader())
    return session


_session = cache(isolated_session)


@cache
def _load(kind: str) -> dict[str, Any]:
    data: dict[str, Any] = _loader().load_service_model(SERVICE, kind)
    return data


def _add_tags(model: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the operations on tags, which only the models of the service's neighbours have."""
    for name in ("ListTags", "TagResource", "UntagResource"):
        operation = copy.deepcopy(other["operations"][name])
        # The neighbours' other errors are not errors of this service's model.
        operation["errors"] = [
            error for error in operation["errors"] if error["shape"] in model["shapes"]
        ]
        operation.setdefault("output", {"shape": "DeleteRuntimeResponse"})  # an empty structure
        model["operations"][name] = operation
        shapes = [operation["input"]["shape"], operation["output"]["shape"]]
        while shapes:
            shape = shapes.pop()
            if shape not in model["shapes"]:
                model["shapes"][shape] = copy.deepcopy(other["shapes"][shape])
                shapes += re.findall(r'"shape": "(\w+)"', json.dumps(model["shapes"][shape]))


def service_model() -> dict[str, Any]:
    """Return a copy of the newest model of the service."""
    return copy.deepcopy(_load("service-2"))


def paginators() -> dict[str, Any]:
    """Return a copy of the paginators, by operation."""
    data: dict[str, Any] = copy.deepcopy(_load("paginators-1")["pagination"])
    return data


@cache
def shapes() -> Any:
    """Return the model as botocore's objects."""
    return _model.ServiceModel(_load("service-2"), SERVICE)


def operation_names() -> list[str]:
    """Return the names of all operations of the model."""
    return sorted(_load("service-2")["operations"])


def python_name(wire: str) -> str:
    """Return the name of a member or operation in snake case, by botocore's rule."""
    name: str = _botocore.xform_name(wire)
    return name


class _Wire:
    """Replacement for the network: keeps the request, and returns a prepared response."""

    def __init__(self) -> None:
        self.sent: Any = None
        self.response: Any = None

    def __call__(self, request: Any, **_: object) -> Any:
        self.sent = request
        return self.response


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


@lru_cache(maxsize=8)
def _client(credentials: Credentials, endpoint_url: str) -> tuple[Any, _Wire]:
    client = _session().create_client(
        SERVICE,
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        # The service enforces the ranges and patterns of the model, not the client.
        config=_config.Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    wire = _Wire()
    client.meta.events.register(f"before-send.{SERVICE}", wire)
    return client, wire


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    return _awsrequest.AWSResponse(ENDPOINT, status, _awsrequest.HeadersDict(headers), _Raw(body))


@contextmanager
def frozen_time(time: datetime) -> Generator[None, None, None]:
    """Make botocore sign at this time."""

    def now(remove_tzinfo: bool = True) -> datetime:
        return time.replace(tzinfo=None) if remove_tzinfo else time

    with mock.patch.object(_auth, "get_current_datetime", now):
        yield


def serialize(
    operation: str,
    params: Mapping[str, object],
    *,
    time: datetime,
    credentials: Credentials = CREDENTIALS,
    endpoint_url: str = ENDPOINT,
) -> Sent:
    """Return the request that botocore sends for a call.

    Args:
        operation: the name of the operation.
        params: the arguments by wire name; botocore keeps their order.
        time: the time of the signature.
        credentials: the credentials to sign with.
        endpoint_url: the endpoint of the request.
    """
    client, wire = _client(credentials, endpoint_url)
    wire.response = _answer(200, {}, b"{}")
    with frozen_time(time):
        getattr(client, python_name(operation))(**params)
    return _sent(wire.sent)


def _sent(request: Any) -> Sent:
    url = urlsplit(str(request.url))
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    authorization = headers["authorization"]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers.setdefault("host", url.netloc)  # the HTTP client adds it
    return Sent(
        request.method,
        request.url.removeprefix(f"{url.scheme}://{url.netloc}"),
        {name: headers[name] for name in names},
        request.body or b"",
        authorization,
    )


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    time: datetime,
) -> Sent:
    """Return any request, signed by botocore's signer."""
    request = _awsrequest.AWSRequest(method, url, headers=dict(headers), data=body)
    keys = _credentials.Credentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )
    with frozen_time(time):
        _auth.SigV4Auth(keys, service, region).add_auth(request)
    return _sent(request.prepare())


def stages_of_signing(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    time: datetime,
) -> tuple[str, str, str]:
    """Return the canonical request, string to sign and signature of botocore's signer."""
    keys = _credentials.Credentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )
    signer = _auth.SigV4Auth(keys, service, region)
    made: dict[str, str] = {}

    def kept(stage: str) -> Callable[..., str]:
        method = getattr(signer, stage)

        def keep(*arguments: object) -> str:
            made[stage] = method(*arguments)
            return made[stage]

        return keep

    stages = ("canonical_request", "string_to_sign", "signature")
    with ExitStack() as stack:
        stack.enter_context(frozen_time(time))
        for stage in stages:
            stack.enter_context(mock.patch.object(signer, stage, kept(stage)))
        signer.add_auth(_awsrequest.AWSRequest(method, url, headers=dict(headers), data=body))
    canonical, text, signature = (made[stage] for stage in stages)
    return canonical, text, signature


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def parse(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return what botocore parses from a response, or the response of its ClientError."""
    client, wire = _client(CREDENTIALS, ENDPOINT)
    wire.response = _answer(status, headers, body)
    members = shapes().operation_model(operation).input_shape.members
    # The request does not matter, but botocore cannot build it without its labels.
    params = {name: "x" for name in members if members[name].serialization.get("location") == "uri"}
    try:
        parsed: dict[str, Any] = getattr(client, python_name(operation))(**params)
    except _exceptions.ClientError as error:
        parsed = error.response
    return parsed


def timestamp(value: object) -> datetime:
    """Return the time that botocore reads from a timestamp, naive or aware."""
    time: datetime = _utils.parse_timestamp(value)
    return time


@cache
def partitions() -> list[dict[str, Any]]:
    """Return the partitions, with their regions and DNS suffixes."""
    loader = _loader()
    data: list[dict[str, Any]] = loader.load_data("partitions")["partitions"]
    return data


def regions_of_service() -> dict[str, tuple[str, ...]]:
    """Return the regions that botocore lists for the service, by partition."""
    session = _session()
    return {
        partition: tuple(session.get_available_regions(SERVICE, partition))
        for partition in session.get_available_partitions()
    }


def regions() -> list[str]:
    """Return every region that botocore knows, including pseudo-regions."""
    session = _session()
    listed = {region for partition in partitions() for region in partition["regions"]}
    for partition in session.get_available_partitions():
        listed.update(session.get_available_regions("lambda", partition, allow_non_regional=True))
        listed.update(session.get_available_regions("ec2", partition, allow_non_regional=True))
    return sorted(listed)


def is_region(text: str) -> bool:
    """Return whether botocore creates a client for this region."""
    try:
        _utils.validate_region_name(text)
    except _exceptions.InvalidRegionError:
        return False
    return bool(text)  # its pattern accepts an empty string, but its client does not


@cache
def _rules() -> Any:
    loader = _loader()
    provider: Any = importlib.import_module("botocore.endpoint_provider")
    return provider.EndpointProvider(
        loader.load_service_model(SERVICE, "endpoint-rule-set-1"), loader.load_data("partitions")
    )


def endpoint(
    region: str | None, *, use_fips: bool, use_dualstack: bool, custom: str | None = None
) -> str:
    """Return the URL that the service's rule set gives.

    Raises:
        EndpointError: if it gives none.
    """
    endpoint: Any = _rules().resolve_endpoint(
        Region=region, UseFIPS=use_fips, UseDualStack=use_dualstack, Endpoint=custom
    )
    url: str = endpoint.url
    return url


def profiles() -> dict[str, dict[str, Any]]:
    """Return the profiles of the shared files that the environment selects."""
    found: dict[str, dict[str, Any]] = _session_module.Session().full_config["profiles"]
    return found


def configured_endpoint(profile: str) -> str | None:
    """Return the endpoint of a profile in the shared files, without the environment."""
    session = _session_module.Session(profile=profile)
    provider = _configprovider.ConfiguredEndpointProvider(
        session.full_config, session.get_scoped_config(), SERVICE, {}
    )
    endpoint: str | None = provider.provide()
    return endpoint


#: Exceptions that botocore raises if no endpoint follows from the rules.
EndpointError: type[Exception] = _exceptions.EndpointProviderError
#: Exceptions that botocore raises for invalid files and variables.
PartialCredentialsError: type[Exception] = _exceptions.PartialCredentialsError
ProfileNotFoundError: type[Exception] = _exceptions.ProfileNotFound


def credentials(profile: str | None = None) -> Credentials | None:
    """Return the credentials that botocore's chain finds, optionally for a profile."""
    found = _session_module.Session(profile=profile).get_credentials()
    if found is None:
        return None
    fixed = found.get_frozen_credentials()
    return Credentials(fixed.access_key, fixed.secret_key, fixed.token or None)


def error(kind: str, **details: str) -> Exception:
    """An error of botocore."""
    made: Exception = getattr(_exceptions, kind)(**details)
    return made


def user_agent(
    execution_env: str | None, retry_mode: str, app_id: str | None, extra: str | None
) -> str:
    """Return the `User-Agent` header of a client; tests can patch the `platform` module.

    Args:
        execution_env: the value of `AWS_EXECUTION_ENV`.
        retry_mode: the retry mode of the client.
        app_id: the name of the application.
        extra: the additional text of the caller.
    """
    platform: Any = importlib.import_module("platform")
    module: Any = importlib.import_module("botocore.useragent")
    # botocore only logs that the name of an application is too long.
    config = _config.Config(
        retries={"mode": retry_mode}, user_agent_appid=app_id, user_agent_extra=extra
    )
    agent = module.UserAgentString(
        platform_name=platform.system(),
        platform_version=platform.release(),
        platform_machine=platform.machine(),
        python_version=platform.python_version(),
        python_implementation=platform.python_implementation(),
        execution_env=execution_env,
    )
    text: str = agent.with_client_config(config).to_string()
    return text


@frozen
class Configured:
    """The endpoint, region and retries of a client that botocore configured."""

    url: str
    region: str
    retry_mode: str
    max_attempts: int


def configured(
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    *,
    use_fips: bool | None,
    use_dualstack: bool | None,
) -> Configured | None:
    """Return how botocore configures a client by arguments, environment and files.

    Args:
        profile: the profile of the session.
        region: the region of the client.
        endpoint_url: the endpoint of the client.
        use_fips: whether the client uses a FIPS endpoint.
        use_dualstack: whether the client uses a dual-stack endpoint.

    Returns:
        The configuration, or `None` if botocore rejects it.
    """
    session = _session_module.Session(profile=profile)
    session.register_component("data_loader", _loader())
    wire = _Wire()
    wire.response = _answer(200, {}, b"{}")
    config = _config.Config(use_fips_endpoint=use_fips, use_dualstack_endpoint=use_dualstack)
    try:
        client = session.create_client(
            SERVICE,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=CREDENTIALS.access_key_id,
            aws_secret_access_key=CREDENTIALS.secret_access_key,
            config=config,
        )
        client.meta.events.register(f"before-send.{SERVICE}", wire)
        client.get_network_connector(Identifier="a")
    except (_exceptions.BotoCoreError, ValueError):
        return None
    retries = client.meta.config.retries
    return Configured(
        wire.sent.url.partition("/2026")[0],
        _text(wire.sent.headers["Authorization"]).split("/")[2],
        retries["mode"],
        retries.get("total_max_attempts", 3),
    )


def waiter_states(name: str) -> dict[str, str]:
    """Return the `State` that each outcome of a waiter expects, by outcome."""
    waiters = _loader().load_service_model(SERVICE, "waiters-2")
    acceptors = waiters["waiters"][name]["acceptors"]
    assert all(acceptor["argument"] == "State" for acceptor in acceptors)
    return {acceptor["state"]: acceptor["expected"] for acceptor in acceptors}


def neighbour_operations() -> dict[str, Callable[[str, str], bool]]:
    """Return tests whether a request is an operation of Lambda MicroVMs or Web Functions."""
    loader = _loader()
    found: dict[str, Callable[[str, str], bool]] = {}
    for service in ("lambda-microvms", "lambda-web"):
        for name, row in loader.load_service_model(service, "service-2")["operations"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(row["http"]["requestUri"]))
            verb = row["http"]["method"]

            def matches(method: str, path: str, verb: str = verb, pattern: str = pattern) -> bool:
                return method == verb and re.fullmatch(pattern, path) is not None

            found[name] = matches
    return found
