"""botocore, as the judge of what is right on the wire: AWS's own model, serializer, signer, parser.

Nothing here touches the network: a hook takes each signed request just before it would be sent, and
gives the answer that the test wants.
"""

from __future__ import annotations

import copy
import importlib
import os
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
_model: Any = importlib.import_module("botocore.model")
_utils: Any = importlib.import_module("botocore.utils")
_session_module: Any = importlib.import_module("botocore.session")

SERVICE = "lambda-core"
REGION = "us-east-1"
ENDPOINT = f"https://lambda.{REGION}.amazonaws.com"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY_CREDENTIALS = Credentials("ASIAEXAMPLE", "another/secret", "session+token/with=signs")

#: A mapping of headers that ignores the case of names, as HTTP libraries have it.
CaseInsensitive: Callable[[Mapping[str, str]], Mapping[str, str]] = _awsrequest.HeadersDict


@frozen
class Sent:
    """A request as botocore would have sent it.

    Attributes:
        method: the HTTP method.
        target: path and query, as they go over the wire.
        signed: the headers that the signature covers, by their names in lower case.
        body: the body's bytes; empty where there is none.
        authorization: the `Authorization` header.
    """

    method: str
    target: str
    signed: Mapping[str, str]
    body: bytes
    authorization: str


@cache
def _session() -> Any:
    """A session that the machine's own AWS settings do not reach."""
    nowhere = (None, None, os.devnull, None)
    settings = {"config_file": nowhere, "credentials_file": nowhere, "profile": (None,) * 4}
    return _session_module.Session(session_vars=settings)


@cache
def _load(kind: str) -> dict[str, Any]:
    data: dict[str, Any] = _session().get_component("data_loader").load_service_model(SERVICE, kind)
    return data


def service_model() -> dict[str, Any]:
    """The newest model of the service, as a copy to do with as one likes."""
    return copy.deepcopy(_load("service-2"))


def paginators() -> dict[str, Any]:
    """The paginators, by operation, as a copy."""
    data: dict[str, Any] = copy.deepcopy(_load("paginators-1")["pagination"])
    return data


@cache
def shapes() -> Any:
    """The model as botocore's objects."""
    return _model.ServiceModel(_load("service-2"), SERVICE)


def operation_names() -> list[str]:
    """All operations of the model."""
    return sorted(_load("service-2")["operations"])


def python_name(wire: str) -> str:
    """botocore's own rule from a member's or an operation's name to snake case."""
    name: str = _botocore.xform_name(wire)
    return name


class _Wire:
    """Stands where the network would be: keeps what is sent, gives the answer set before."""

    def __init__(self) -> None:
        self.sent: Any = None
        self.answer: Any = None

    def __call__(self, request: Any, **_: object) -> Any:
        self.sent = request
        return self.answer


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
        # The ranges and patterns of the model are the service's to enforce.
        config=_config.Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    wire = _Wire()
    client.meta.events.register(f"before-send.{SERVICE}", wire)
    return client, wire


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    return _awsrequest.AWSResponse(ENDPOINT, status, _awsrequest.HeadersDict(headers), _Raw(body))


@contextmanager
def frozen_time(time: datetime) -> Generator[None, None, None]:
    """Let botocore sign at this instant."""

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
    """What botocore sends for a call at this instant.

    Args:
        operation: the API's name of it.
        params: arguments by their names on the wire; botocore keeps their order.
        time: when it is signed.
        credentials: who signs.
        endpoint_url: where it would go.
    """
    client, wire = _client(credentials, endpoint_url)
    wire.answer = _answer(200, {}, b"{}")
    with frozen_time(time):
        getattr(client, python_name(operation))(**params)
    return _sent(wire.sent)


def _sent(request: Any) -> Sent:
    url = urlsplit(str(request.url))
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    authorization = headers["authorization"]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers.setdefault("host", url.netloc)  # the HTTP client's part
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
    """Sign any request with botocore's signer alone."""
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
    """The canonical request, the string to sign and the signature that botocore's signer makes."""
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
    """What botocore returns for an answer, or what its ClientError holds."""
    client, wire = _client(CREDENTIALS, ENDPOINT)
    wire.answer = _answer(status, headers, body)
    members = shapes().operation_model(operation).input_shape.members
    # The request does not matter here; it cannot be made without its labels, though.
    params = {name: "x" for name in members if members[name].serialization.get("location") == "uri"}
    try:
        parsed: dict[str, Any] = getattr(client, python_name(operation))(**params)
    except _exceptions.ClientError as error:
        parsed = error.response
    return parsed


@cache
def partitions() -> list[dict[str, Any]]:
    """The partitions, their regions and their DNS suffixes."""
    loader = _session().get_component("data_loader")
    data: list[dict[str, Any]] = loader.load_data("partitions")["partitions"]
    return data


def regions() -> list[str]:
    """Every region that botocore knows, pseudo-regions included."""
    session = _session()
    listed = {region for partition in partitions() for region in partition["regions"]}
    for partition in session.get_available_partitions():
        listed.update(session.get_available_regions("lambda", partition, allow_non_regional=True))
        listed.update(session.get_available_regions("ec2", partition, allow_non_regional=True))
    return sorted(listed)


def is_region(text: str) -> bool:
    """Whether botocore makes a client for a region of this name."""
    try:
        _utils.validate_region_name(text)
    except _exceptions.InvalidRegionError:
        return False
    return bool(text)  # its pattern lets the empty text pass, its client does not


@cache
def _rules() -> Any:
    loader = _session().get_component("data_loader")
    provider: Any = importlib.import_module("botocore.endpoint_provider")
    return provider.EndpointProvider(
        loader.load_service_model(SERVICE, "endpoint-rule-set-1"), loader.load_data("partitions")
    )


def endpoint(
    region: str | None, *, use_fips: bool, use_dualstack: bool, custom: str | None = None
) -> str:
    """The URL that the service's rule set gives.

    Raises:
        EndpointError: it gives none.
    """
    endpoint: Any = _rules().resolve_endpoint(
        Region=region, UseFIPS=use_fips, UseDualStack=use_dualstack, Endpoint=custom
    )
    url: str = endpoint.url
    return url


def profiles() -> dict[str, dict[str, Any]]:
    """The profiles of the shared files, wherever the environment says they are."""
    found: dict[str, dict[str, Any]] = _session_module.Session().full_config["profiles"]
    return found


def configured_endpoint(profile: str) -> str | None:
    """The endpoint that a profile's files name, the environment aside."""
    session = _session_module.Session(profile=profile)
    provider = _configprovider.ConfiguredEndpointProvider(
        session.full_config, session.get_scoped_config(), SERVICE, {}
    )
    endpoint: str | None = provider.provide()
    return endpoint


#: What botocore's rules for endpoints raise.
EndpointError: type[Exception] = _exceptions.EndpointProviderError
#: What botocore raises where files or variables are not as they should be.
PartialCredentialsError: type[Exception] = _exceptions.PartialCredentialsError
ProfileNotFoundError: type[Exception] = _exceptions.ProfileNotFound


def credentials(profile: str | None = None) -> Credentials | None:
    """What the chain of botocore finds, for a profile if one is named."""
    found = _session_module.Session(profile=profile).get_credentials()
    if found is None:
        return None
    frozen_ones = found.get_frozen_credentials()
    return Credentials(frozen_ones.access_key, frozen_ones.secret_key, frozen_ones.token or None)


def user_agent(
    execution_env: str | None, retry_mode: str, app_id: str | None, extra: str | None
) -> str:
    """The `User-Agent` header of a client on this machine; what Python says of it can be patched.

    Args:
        execution_env: the value of `AWS_EXECUTION_ENV`.
        retry_mode: the client's.
        app_id: the application's name.
        extra: the caller's own text.
    """
    platform: Any = importlib.import_module("platform")
    module: Any = importlib.import_module("botocore.useragent")
    # A long application's name is only logged about.
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
    """Where a client that botocore configured sends, and how it retries."""

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
    """What botocore makes of arguments, environment and files; `None` if it refuses them.

    Args:
        profile: the session's profile.
        region: the client's.
        endpoint_url: the client's.
        use_fips: the client's.
        use_dualstack: the client's.
    """
    session = _session_module.Session(profile=profile)
    session.register_component("data_loader", _session().get_component("data_loader"))
    wire = _Wire()
    wire.answer = _answer(200, {}, b"{}")
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
    """What a waiter of the model looks for in `State`: by what it ends with."""
    waiters = _session().get_component("data_loader").load_service_model(SERVICE, "waiters-2")
    acceptors = waiters["waiters"][name]["acceptors"]
    assert all(acceptor["argument"] == "State" for acceptor in acceptors)
    return {acceptor["state"]: acceptor["expected"] for acceptor in acceptors}
