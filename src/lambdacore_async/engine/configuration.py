"""What the caller left open: taken from the environment, then from the profile.

Sources: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html, and botocore;
docs/configuration.md names where this differs from botocore, and why.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from attrs import field, frozen

from lambdacore_async.engine.pipeline import Settings
from lambdacore_async.engine.profiles import Profile, SharedConfig
from lambdacore_async.engine.retry import MAX_ATTEMPTS, MODES, RetryPolicy
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.protocol import endpoints

#: The variables of each setting, the first that is set counts; then the profile's key of that name.
_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_LAMBDA_CORE", "AWS_ENDPOINT_URL"),
    "ignore_configured_endpoint_urls": ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",),
    "use_fips_endpoint": ("AWS_USE_FIPS_ENDPOINT",),
    "use_dualstack_endpoint": ("AWS_USE_DUALSTACK_ENDPOINT",),
    "retry_mode": ("AWS_RETRY_MODE",),
    "max_attempts": ("AWS_MAX_ATTEMPTS",),
    "ca_bundle": ("AWS_CA_BUNDLE",),
    "sdk_ua_app_id": ("AWS_SDK_UA_APP_ID",),
}
#: The SDKs' oldest mode, which has no counterpart here.
_LEGACY: Final = "legacy"


@frozen(eq=False, repr=False)
class Options:
    """What the caller of a view gave; `None` leaves it to the environment and the profile.

    Raises:
        ParameterError: an option is of a wrong type, or out of its bounds.
    """

    region: str | None = None
    endpoint_url: str | None = None
    use_fips: bool | None = None
    use_dualstack: bool | None = None
    allow_plain_http: bool = False
    retry_mode: str | None = None
    max_attempts: int | None = None
    timeout: Timeout = field(factory=Timeout)

    def __attrs_post_init__(self) -> None:
        for name in ("region", "endpoint_url", "retry_mode"):
            object.__setattr__(self, name, as_text(name, getattr(self, name)))
        if self.region and not endpoints.is_region(self.region):
            raise ParameterError("region", f"{self.region[:64]!r} is not a valid region name")
        check_flag("use_fips_endpoint", self.use_fips)
        check_flag("use_dualstack_endpoint", self.use_dualstack)
        check_flag("allow_plain_http", self.allow_plain_http, optional=False)
        RetryPolicy(
            MODES[0] if self.retry_mode is None else self.retry_mode,
            MAX_ATTEMPTS if self.max_attempts is None else self.max_attempts,
        )


def as_text(parameter: str, value: object) -> str | None:
    """Return the text of an optional argument; that of a `class Name(str, Enum)` is its value.

    Raises:
        ParameterError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ParameterError(parameter, f"must be a str, got {type(value).__name__}")
    return str.__str__(value)


def check_flag(parameter: str, value: object, *, optional: bool = True) -> None:
    """Refuse what is not a bool, such as `"false"`, which would count as true.

    Raises:
        ParameterError: it is not.
    """
    if not (isinstance(value, bool) or (optional and value is None)):
        raise ParameterError(parameter, f"must be True or False, got {type(value).__name__}")


def as_url(url: object) -> str | None:
    """Return the text of a URL, which may be an object of yarl, httpx, pydantic or urllib.

    Raises:
        ParameterError: it is something else.
    """
    if url is None or isinstance(url, str):
        return url
    geturl: object = getattr(url, "geturl", None)
    text = str(geturl() if callable(geturl) else url)
    # Every object has a text, but no other than a URL's starts like this.
    if not text.lower().startswith(("https://", "http://")):
        raise ParameterError("endpoint_url", f"must be a str or a URL, got {type(url).__name__}")
    return text


def _as_path(parameter: str, value: str | os.PathLike[str] | None) -> str | None:
    """Return a path as text.

    Raises:
        ParameterError: it is none.
    """
    path: object = value
    with suppress(TypeError):
        path = value if value is None else os.fspath(value)
    if path is not None and not isinstance(path, str):
        raise ParameterError(parameter, f"must be a path, got {type(value).__name__}")
    return path


class Configuration:
    """The settings of a client and its views; the files are read at most once, off the event loop.

    Args:
        environ: the environment's variables.
        shared_config: reads the profile, which is done only if something is left open.
        ca_bundle: the path of the certificates to trust, in PEM; else as configured.
        verifies: the client makes its own connections, so that a CA bundle counts.

    Attributes:
        ca_bundle: the path that the caller gave.
        ssl_context: what connections are verified with, known once settings were resolved; `None`
            for the system's own certificates.

    Raises:
        ParameterError: the path is none.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        shared_config: SharedConfig,
        *,
        ca_bundle: str | os.PathLike[str] | None = None,
        verifies: bool = True,
    ) -> None:
        self.ssl_context: ssl.SSLContext | None = None
        self._environ = environ
        self._shared_config = shared_config
        self.ca_bundle = _as_path("ca_bundle", ca_bundle)
        self._region: str | None = None
        self._verifies = verifies
        self._turn = asyncio.Lock()

    async def resolve(self, options: Options) -> Settings:
        """The settings of a view.

        Args:
            options: what its caller gave.

        Raises:
            ConfigurationError: what the environment or the profile says cannot be used, or nobody
                names a region.
        """
        found = _Found(self._environ)
        if self._leaves_open(options, found):
            found = _Found(self._environ, await self._shared_config.load())
        region, pseudo_fips = _region(*_first("region", options.region, found))
        self._region = self._region or region
        source, endpoint_url = "endpoint_url", options.endpoint_url
        if endpoint_url is None and not found.flag("ignore_configured_endpoint_urls"):
            source, endpoint_url = found.find("endpoint_url")
            _check_endpoint(source, endpoint_url, region, options)
        if self._verifies:
            await self._trust(found)
        return Settings(
            region=region,
            endpoint_url=endpoint_url,
            use_fips=pseudo_fips or _either(options.use_fips, found, "use_fips_endpoint"),
            use_dualstack=_either(options.use_dualstack, found, "use_dualstack_endpoint"),
            allow_plain_http=options.allow_plain_http,
            policy=RetryPolicy(
                found.retry_mode() if options.retry_mode is None else options.retry_mode,
                found.max_attempts() if options.max_attempts is None else options.max_attempts,
            ),
            timeout=options.timeout,
            app_id=found.text("sdk_ua_app_id"),
        )

    def _leaves_open(self, options: Options, found: _Found) -> bool:
        """Whether the files may have something to say that neither caller nor environment did."""
        given: Mapping[str, object] = {
            "region": options.region or None,
            "endpoint_url": options.endpoint_url,
            "ignore_configured_endpoint_urls": options.endpoint_url,
            "use_fips_endpoint": options.use_fips,
            "use_dualstack_endpoint": options.use_dualstack,
            "retry_mode": options.retry_mode,
            "max_attempts": options.max_attempts,
            "ca_bundle": self.ca_bundle if self._verifies else "",
        }
        return any(value is None and found.text(name) is None for name, value in given.items())

    async def home_region(self, options: Options) -> str | None:
        """Return the region to get credentials in: a client's own, else the first of its views.

        Args:
            options: what the client's caller gave.

        Raises:
            ConfigurationError: the profile cannot be used, or the region has no valid name.
        """
        found = _Found(self._environ)
        if not (options.region or found.text("region")):
            found = _Found(self._environ, await self._shared_config.load())
        source, name = _first("region", options.region, found)
        return _region(source, name)[0] if name else self._region

    async def trust(self) -> ssl.SSLContext | None:
        """Return `ssl_context`, for connections of the library's own, also beside a session.

        Raises:
            ConfigurationError: the profile or the CA bundle cannot be used.
        """
        found = _Found(self._environ)
        if self.ca_bundle is None and found.text("ca_bundle") is None:
            found = _Found(self._environ, await self._shared_config.load())
        await self._trust(found)
        return self.ssl_context

    async def _trust(self, found: _Found) -> None:
        """Read the CA bundle, if there is one."""
        source, path = _first("ca_bundle", self.ca_bundle, found)
        if path is None:
            return
        problem: str | None = None
        async with self._turn:
            if self.ssl_context is None:
                try:
                    self.ssl_context = await run_in_thread(
                        partial(ssl.create_default_context, cafile=path)
                    )
                except OSError as error:  # of the file, or of what is in it
                    problem = error.strerror or "it holds no certificates"
        if problem is not None:
            raise ConfigurationError(f"{source}: {path!r}: {problem}")


class _Found:
    """What the environment says, and after it the profile; an empty value says nothing."""

    def __init__(self, environ: Mapping[str, str], profile: Profile | None = None) -> None:
        self._environ = environ
        self._profile = profile

    def find(self, name: str) -> tuple[str, str | None]:
        """Where a setting is, in words, and what it is; `None` if it is nowhere."""
        for variable in _VARIABLES[name]:
            if value := self._environ.get(variable):
                return variable, value
        profile = self._profile
        if profile is None:
            return name, None
        if name == "endpoint_url" and (value := profile.service.get(name)):
            return f"{name} for lambda_core in the services of profile {profile.name!r}", value
        return f"{name} of profile {profile.name!r}", profile.get(name)

    def text(self, name: str) -> str | None:
        return self.find(name)[1]

    def flag(self, name: str) -> bool:
        source, value = self.find(name)
        if value is not None and value.lower() not in ("true", "false"):
            raise ConfigurationError(f"{source}: must be true or false, is {value[:20]!r}")
        return value is not None and value.lower() == "true"

    def retry_mode(self) -> str:
        source, mode = self.find("retry_mode")
        if mode is None or mode == _LEGACY:
            return MODES[0]
        if mode not in MODES:
            raise ConfigurationError(f"{source}: must be one of {MODES}, is {mode[:20]!r}")
        return mode

    def max_attempts(self) -> int:
        source, text = self.find("max_attempts")
        if text is None:
            return MAX_ATTEMPTS
        if not (text.isascii() and text.isdecimal() and int(text[:9])):
            raise ConfigurationError(f"{source}: must be a whole number from 1, is {text[:20]!r}")
        return int(text[:9])


def _either(option: bool | None, found: _Found, name: str) -> bool:  # noqa: FBT001 - a value
    return found.flag(name) if option is None else option


def _first(name: str, given: str | None, found: _Found) -> tuple[str, str | None]:
    """Where a setting is, in words, and what it is: what the caller gave, else what is found."""
    return (name, given) if given else found.find(name)


def _check_endpoint(source: str, url: str | None, region: str, options: Options) -> None:
    """Refuse an endpoint by the name of where it stands."""
    if url is None:
        return
    try:
        endpoints.resolve(region, endpoint_url=url, allow_plain_http=options.allow_plain_http)
    except ConfigurationError as error:
        problem = str(error).removeprefix("endpoint_url: ")
    else:
        return
    raise ConfigurationError(f"{source}: {problem}")


def _region(source: str, name: str | None) -> tuple[str, bool]:
    """The region, and whether it was named as FIPS endpoints once were, as botocore reads it."""
    if not name:
        raise ConfigurationError(
            "no region: pass one, or set AWS_REGION, AWS_DEFAULT_REGION or the profile's region"
        )
    plain = name.replace("fips-", "").replace("-fips", "")
    if not endpoints.is_region(plain):
        raise ConfigurationError(f"{source}: {name[:64]!r} is not a valid region name")
    return plain, plain != name
