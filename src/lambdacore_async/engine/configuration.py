"""Resolves a client's settings from its options, the environment and the profile, in this order.

Sources: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html, and botocore;
docs/configuration.md lists the differences from botocore, and the reasons.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final, Generic, TypeVar

import aiohttp
from attrs import field, fields, frozen
from yarl import URL

from lambdacore_async.engine.identity.providers import (
    CredentialsLike,
    as_provider,
    check_picklable,
    check_picklable_hook,
    is_async_callable,
    shown,
)
from lambdacore_async.engine.locks import LoopLock
from lambdacore_async.engine.observation import Attempt, OnCall
from lambdacore_async.engine.pipeline import Settings
from lambdacore_async.engine.profiles import Profile, SharedConfig
from lambdacore_async.engine.rate_limit import as_max_rate
from lambdacore_async.engine.retry import MAX_ATTEMPTS, MODES, RetryMode, RetryPolicy
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.protocol import endpoints

Value = TypeVar("Value")


def _parse_flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _parse_retry_mode(text: str) -> str:
    if text == "legacy":  # the SDKs' oldest mode, which has no counterpart here
        return MODES[0]
    if text not in MODES:
        raise ValueError(f"must be one of {MODES}")
    return text


def _parse_max_attempts(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9])):
        raise ValueError("must be a whole number from 1")
    return int(text[:9])


class _Setting(Generic[Value]):
    """A row of the table below: the sources of a setting, and how its text is parsed.

    Args:
        key: its key in the profile.
        default: its value if neither the environment nor the profile has it.
        parse: converts its text; raises `ValueError` with the values that are allowed.
        variables: its variables; the first with a value wins. Defaults to `AWS_` and the key in
            capitals.
    """

    def __init__(
        self, key: str, default: Value, parse: Callable[[str], Value], *variables: str
    ) -> None:
        self.key = key
        self.default = default
        self.parse = parse
        self.variables = variables or (f"AWS_{key.upper()}",)


_REGION: Final = _Setting("region", "", str, "AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINT_URL: Final = _Setting(
    "endpoint_url", "", str, "AWS_ENDPOINT_URL_LAMBDA_CORE", "AWS_ENDPOINT_URL"
)
_IGNORE_ENDPOINT_URLS: Final = _Setting("ignore_configured_endpoint_urls", False, _parse_flag)
_USE_FIPS: Final = _Setting("use_fips_endpoint", False, _parse_flag)
_USE_DUALSTACK: Final = _Setting("use_dualstack_endpoint", False, _parse_flag)
_RETRY_MODE: Final = _Setting("retry_mode", MODES[0], _parse_retry_mode)
_MAX_ATTEMPTS: Final = _Setting("max_attempts", MAX_ATTEMPTS, _parse_max_attempts)
_CA_BUNDLE: Final = _Setting("ca_bundle", "", str)
_APP_ID: Final = _Setting("sdk_ua_app_id", "", str)
_REQUESTS: Final = "REQUESTS_CA_BUNDLE"


def as_plain_str(parameter: str, value: object) -> str | None:
    """Return an optional string; a member of a `class Name(str, Enum)` becomes its value.

    Raises:
        ParameterError: if the value is not a string.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ParameterError(parameter, f"must be a str, got {type(value).__name__}")
    return str.__str__(value)


def check_flag(parameter: str, value: object, *, optional: bool = True) -> None:
    """Reject a value that is not a bool, such as `"false"`, which is truthy.

    Raises:
        ParameterError: if the value is not a bool, nor `None` if that is allowed.
    """
    if not (isinstance(value, bool) or (optional and value is None)):
        raise ParameterError(parameter, f"must be True or False, got {type(value).__name__}")


def as_url(url: str | URL | None) -> str | None:
    """Return the text of a URL, which may be an object of yarl, httpx, pydantic or urllib.

    Raises:
        ParameterError: if the value is neither a string nor a URL.
    """
    if url is None or isinstance(url, str):
        return url
    geturl: object = getattr(url, "geturl", None)
    text = str(geturl() if callable(geturl) else url)
    # Every object converts to text, but only a URL's text starts like this.
    if not text.lower().startswith(("https://", "http://")):
        raise ParameterError("endpoint_url", f"must be a str or a URL, got {type(url).__name__}")
    return text


def as_timeout(timeout: float | timedelta | Timeout | None) -> Timeout:
    """Return the limits that a caller passed in any form; a number or a `timedelta` is the total.

    Raises:
        ParameterError: if the value is invalid.
    """
    if isinstance(timeout, Timeout):
        return timeout
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, int | float | timedelta)
    ):
        kind = type(timeout).__name__
        raise ParameterError(
            "timeout", f"must be a number of seconds, a timedelta or a Timeout, got {kind}"
        )
    return Timeout(total=timeout)


def _as_ca_bundle(value: str | os.PathLike[str] | None) -> str | None:
    """Return the text of a path.

    Raises:
        ParameterError: if the value is not a path.
    """
    path: object = value
    with suppress(TypeError):
        path = value if value is None else os.fspath(value)
    if path is not None and not isinstance(path, str):
        raise ParameterError("ca_bundle", f"must be a path, got {type(value).__name__}")
    return path


@frozen
class ClientOptions:
    """The options of a client, which `LambdaCoreClient` documents.

    They can be pickled and sent to another process, which creates a client from them with
    `LambdaCoreClient.from_options`. Pickling refuses options that hold a secret or a connection, or
    that another process cannot import: `Credentials` and other objects with keys, an
    `http_session`, and local functions. Pass a profile, an `AssumeRole`, or the import path of an
    async function instead, or let the other process find credentials. No `repr` shows a secret.

    Raises:
        ParameterError: if an option has a wrong type, or is out of bounds; on pickling, if an
            option cannot be pickled.
    """

    region: str | None = None
    profile: str | None = field(default=None, kw_only=True)
    credentials: CredentialsLike | None = field(default=None, repr=shown, kw_only=True)
    endpoint_url: str | None = field(default=None, converter=as_url, kw_only=True)
    allow_plain_http: bool = field(default=False, kw_only=True)
    use_fips_endpoint: bool | None = field(default=None, kw_only=True)
    use_dualstack_endpoint: bool | None = field(default=None, kw_only=True)
    retry_mode: RetryMode | None = field(default=None, kw_only=True)
    max_attempts: int | None = field(default=None, kw_only=True)
    timeout: Timeout = field(factory=Timeout, converter=as_timeout, kw_only=True)
    max_connections: int = field(default=100, kw_only=True)
    max_rate: float | None = field(default=None, converter=as_max_rate, kw_only=True)
    ca_bundle: str | None = field(default=None, converter=_as_ca_bundle, kw_only=True)
    trust_env: bool = field(default=False, kw_only=True)
    http_session: aiohttp.ClientSession | None = field(default=None, repr=shown, kw_only=True)
    user_agent_extra: str | None = field(default=None, kw_only=True)
    on_attempt: Callable[[Attempt], None] | None = field(default=None, repr=shown, kw_only=True)
    on_call: OnCall | None = field(default=None, repr=shown, kw_only=True)
    label: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name in ("region", "profile", "endpoint_url", "retry_mode", "label"):
            object.__setattr__(self, name, as_plain_str(name, getattr(self, name)))
        if self.region and not endpoints.is_region(self.region):
            raise ParameterError("region", f"{self.region[:64]!r} is not a valid region name")
        if self.credentials is not None:
            as_provider(self.credentials)
        check_flag(_USE_FIPS.key, self.use_fips_endpoint)
        check_flag(_USE_DUALSTACK.key, self.use_dualstack_endpoint)
        check_flag("allow_plain_http", self.allow_plain_http, optional=False)
        check_flag("trust_env", self.trust_env, optional=False)
        RetryPolicy(
            MODES[0] if self.retry_mode is None else self.retry_mode,
            MAX_ATTEMPTS if self.max_attempts is None else self.max_attempts,
        )
        if self.http_session is not None and self.ca_bundle is not None:
            raise ParameterError("ca_bundle", "cannot be combined with http_session")
        AiohttpTransport(
            max_connections=self.max_connections,
            session=self.http_session,
            trust_env=self.trust_env,
        )
        UserAgent(self.user_agent_extra)
        _check_hook("on_attempt", self.on_attempt)
        _check_hook("on_call", self.on_call)

    def __reduce__(self) -> tuple[object, ...]:
        if self.http_session is not None:
            raise ParameterError(
                "http_session", "cannot be pickled: a session holds connections; leave it out"
            )
        check_picklable(self.credentials)
        check_picklable_hook("on_attempt", self.on_attempt)
        check_picklable_hook("on_call", self.on_call)
        # By name, and without defaults, so that other versions can read the options.
        defaults = ClientOptions()
        given = {
            each.name: value
            for each in fields(ClientOptions)
            if (value := getattr(self, each.name)) != getattr(defaults, each.name)
        }
        return partial(type(self), **given), ()


def _check_hook(parameter: str, hook: object) -> None:
    if hook is not None and not callable(hook):
        raise ParameterError(parameter, f"must be a function, got {type(hook).__name__}")
    if is_async_callable(hook):
        raise ParameterError(parameter, "must not be async: it is called and never awaited")


class Configuration:
    """Resolves the settings of a client and its views.

    The files are read at most once, off the event loop, and only for a setting that neither the
    options nor the environment have.

    Args:
        environ: the environment's variables.
        shared_config: reads the profile.
        ca_bundle: the path of the trusted certificates, in PEM. Defaults to the configured path.
        verifies: whether the client opens its own connections, to which a CA bundle applies.

    Attributes:
        default_region: the region of the environment or the profile, once a view has needed it.
        ssl_context: verifies servers, once settings are resolved; `None` for the system's default.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        shared_config: SharedConfig,
        *,
        ca_bundle: str | None = None,
        verifies: bool = True,
    ) -> None:
        self.ssl_context: ssl.SSLContext | None = None
        self._ca_bundle = ca_bundle
        self._environ = environ
        self._shared_config = shared_config
        self.default_region: str | None = None
        self._region: str | None = None
        self._verifies = verifies
        self._lock = LoopLock()

    async def resolve(self, options: ClientOptions) -> Settings:
        """Return the settings of a view.

        Args:
            options: the options that the view's caller passed.

        Raises:
            ConfigurationError: if a variable, the profile or the CA bundle is invalid, or no region
                is set.
        """
        sources = _Sources(self._environ, self._shared_config)
        region, is_fips = _parse_region(*await sources.find(_REGION, options.region))
        self._region = self._region or region
        if not options.region:
            self.default_region = region
        endpoint_url = options.endpoint_url
        if endpoint_url is None and not await sources.get(_IGNORE_ENDPOINT_URLS):
            source, endpoint_url = await sources.find(_ENDPOINT_URL)
            _check_endpoint(source, endpoint_url, region, options)
        if self._verifies:
            await self._load_certificates(sources)
        return Settings(
            region=region,
            endpoint_url=endpoint_url,
            resolve_endpoint=partial(
                endpoints.resolve,
                use_fips=is_fips or await sources.get(_USE_FIPS, options.use_fips_endpoint),
                use_dualstack=await sources.get(_USE_DUALSTACK, options.use_dualstack_endpoint),
                allow_plain_http=options.allow_plain_http,
            ),
            policy=RetryPolicy(
                await sources.get(_RETRY_MODE, options.retry_mode),
                await sources.get(_MAX_ATTEMPTS, options.max_attempts),
            ),
            timeout=options.timeout,
            app_id=(await sources.find(_APP_ID, read_files=False))[1],
            label=options.label,
        )

    async def home_region(self, options: ClientOptions) -> str | None:
        """Return the region to get credentials in: the client's, or that of its first view.

        Args:
            options: the options that the client's caller passed.

        Raises:
            ConfigurationError: if the profile or the region's name is invalid.
        """
        sources = _Sources(self._environ, self._shared_config)
        source, name = await sources.find(_REGION, options.region)
        return _parse_region(source, name)[0] if name else self._region

    async def trust(self) -> ssl.SSLContext | None:
        """Return `ssl_context` for the library's own connections, even if the caller has a session.

        Raises:
            ConfigurationError: if the profile or the CA bundle is invalid.
        """
        await self._load_certificates(_Sources(self._environ, self._shared_config))
        return self.ssl_context

    async def _load_certificates(self, sources: _Sources) -> None:
        """Read the CA bundle, if one is configured, at the first call."""
        source, path = await sources.find(_CA_BUNDLE, self._ca_bundle)
        if path is None:  # botocore also takes the variable of the library that it once used
            source, path = _REQUESTS, self._environ.get(_REQUESTS)
        if not path:
            return
        problem: str | None = None
        async with self._lock.of_loop():
            if self.ssl_context is None:
                try:
                    self.ssl_context = await run_in_thread(partial(_context, path))
                except OSError as error:  # of the file, or of its content
                    problem = error.strerror or "the file has no certificates"
        if problem is not None:
            raise ConfigurationError(f"{source}: {path!r}: {problem}")


def _context(path: str) -> ssl.SSLContext:
    file = os.path.expanduser(path)  # noqa: PTH111 - `Path`'s fails without a home directory
    return ssl.create_default_context(cafile=file)


class _Sources:
    """Looks up settings in the environment, then in the profile; an empty value counts as unset.

    Args:
        environ: the environment's variables.
        shared_config: reads the profile, for the first setting that the environment lacks.
    """

    def __init__(self, environ: Mapping[str, str], shared_config: SharedConfig) -> None:
        self._environ = environ
        self._shared_config = shared_config
        self._profile: Profile | None = None

    async def find(
        self, setting: _Setting[Value], given: str | None = None, *, read_files: bool = True
    ) -> tuple[str, str | None]:
        """Return the source of a setting, for errors, and its text.

        Args:
            setting: the row of the table.
            given: the caller's option, which wins.
            read_files: whether to read the files if no other setting has needed them.
        """
        if given:
            return setting.key, given
        for variable in setting.variables:
            if text := self._environ.get(variable):
                return variable, text
        if self._profile is None and read_files:
            self._profile = await self._shared_config.load()
        profile, key = self._profile, setting.key
        if profile is None:
            return key, None
        if setting is _ENDPOINT_URL and (text := profile.service.get(key)):
            return f"{key} for lambda_core in the services of profile {profile.name!r}", text
        return f"{key} of profile {profile.name!r}", profile.get(key)

    async def get(self, setting: _Setting[Value], given: Value | None = None) -> Value:
        """Return the caller's option, the parsed text of a setting, or its default, in this order.

        Raises:
            ConfigurationError: if the text is invalid; the message names its source.
        """
        if given is not None:
            return given
        source, text = await self.find(setting)
        if text is None:
            return setting.default
        try:
            return setting.parse(text)
        except ValueError as error:
            problem = str(error)
        raise ConfigurationError(f"{source}: {problem}, got {text[:20]!r}")


def _check_endpoint(source: str, url: str | None, region: str, options: ClientOptions) -> None:
    """Raise the error of an invalid endpoint with the name of its source."""
    if url is None:
        return
    try:
        endpoints.resolve(region, endpoint_url=url, allow_plain_http=options.allow_plain_http)
    except ConfigurationError as error:
        problem = str(error).removeprefix("endpoint_url: ")
    else:
        return
    raise ConfigurationError(f"{source}: {problem}")


def _parse_region(source: str, name: str | None) -> tuple[str, bool]:
    """Return the region, and whether it has a FIPS pseudo-region's name, as in botocore."""
    if not name:
        raise ConfigurationError(
            "no region: pass one, or set AWS_REGION, AWS_DEFAULT_REGION or the profile's region"
        )
    plain = name.replace("fips-", "").replace("-fips", "")
    if not endpoints.is_region(plain):
        raise ConfigurationError(f"{source}: {name[:64]!r} is not a valid region name")
    return plain, plain != name
