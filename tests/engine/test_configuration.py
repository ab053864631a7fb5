"""Settings come from the sources that botocore uses, or a test names the difference."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import threading
from collections.abc import Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import urlparse, urlsplit

import attrs
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from yarl import URL

from lambdacore_async import ConfigurationError, LambdaCoreError, ParameterError
from lambdacore_async.engine.configuration import ClientOptions, Configuration, as_url
from lambdacore_async.engine.identity.refresh import RefreshingCredentials
from lambdacore_async.engine.pipeline import Pipeline, Settings, Shared
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from support import botocore_judge as judge
from support.certificates import authority_pem
from support.examples import examples
from support.generation import thorough
from support.leaks import CREDENTIALS
from support.threads import busy_executor
from support.transports import CONNECTOR, FakeTransport

NOWHERE: Final = os.devnull
#: All options; with these, no file is read.
ALL: Final = ClientOptions(
    region="us-east-1",
    endpoint_url="https://a.example",
    use_fips_endpoint=False,
    use_dualstack_endpoint=False,
    retry_mode="standard",
    max_attempts=2,
)
EXPLICIT: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "https://a.example",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    "AWS_USE_FIPS_ENDPOINT": "false",
    "AWS_USE_DUALSTACK_ENDPOINT": "false",
    "AWS_RETRY_MODE": "standard",
    "AWS_MAX_ATTEMPTS": "2",
}


def configuration(environ: Mapping[str, str], profile: str | None = None, **options: Any) -> Any:
    files = {"AWS_CONFIG_FILE": NOWHERE, "AWS_SHARED_CREDENTIALS_FILE": NOWHERE}
    environ = {**files, **environ}
    return Configuration(environ, SharedConfig(environ, profile), **options)


async def resolve(environ: Mapping[str, str], options: ClientOptions | None = None) -> Settings:
    settings: Settings = await configuration(environ).resolve(options or ClientOptions("us-east-1"))
    return settings


# The same as in botocore


flags = st.sampled_from(["true", "false", "True", "FALSE"])
settings = {
    "region": st.sampled_from(
        ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "fips-us-east-1",
         "us-west-2-fips", "xx-middle-1"]
    ),
    "endpoint_url": st.sampled_from(["https://a.example", "https://b.example:8443/path"]),
    "ignore_configured_endpoint_urls": flags,
    "use_fips_endpoint": flags,
    "use_dualstack_endpoint": flags,
    "retry_mode": st.sampled_from(["legacy", "standard", "adaptive"]),
    "max_attempts": st.sampled_from(["1", "5"]),
}  # fmt: skip
profiles = st.fixed_dictionaries(
    {}, optional={**settings, "services": st.sampled_from(["known", "empty"])}
)
variables = st.fixed_dictionaries(
    {},
    optional={
        "AWS_REGION": settings["region"],
        "AWS_DEFAULT_REGION": settings["region"],
        "AWS_PROFILE": st.sampled_from(["work", "default"]),
        "AWS_ENDPOINT_URL": settings["endpoint_url"],
        "AWS_ENDPOINT_URL_LAMBDA_CORE": st.just("https://core.example"),
        "AWS_ENDPOINT_URL_LAMBDA": st.just("https://another.example"),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": flags,
        "AWS_USE_FIPS_ENDPOINT": flags,
        "AWS_USE_DUALSTACK_ENDPOINT": flags,
        "AWS_RETRY_MODE": settings["retry_mode"],
        "AWS_MAX_ATTEMPTS": settings["max_attempts"],
    },
)
options = st.builds(
    ClientOptions,
    region=st.none() | settings["region"],
    endpoint_url=st.none() | st.just("https://given.example"),
    use_fips_endpoint=st.none() | st.booleans(),
    use_dualstack_endpoint=st.none() | st.booleans(),
)


def config_file(default: Mapping[str, str], work: Mapping[str, str]) -> str:
    lines = ["[services known]", "lambda_core =", "  endpoint_url = https://services.example"]
    lines += ["[services empty]", "lambda =", "  endpoint_url = https://another.example"]
    for head, section in (("default", default), ("profile work", work)):
        lines += [f"[{head}]", *(f"{name} = {value}" for name, value in section.items())]
    return "\n".join(lines)


async def ours(
    environ: Mapping[str, str], profile: str | None, options: ClientOptions
) -> judge.Configured | None:
    transport = FakeTransport(CONNECTOR)
    resolve = Configuration(environ, SharedConfig(environ, profile)).resolve
    pipeline = Pipeline(
        Shared(transport=transport, credentials=RefreshingCredentials(CREDENTIALS)),
        Settings(),
        partial(resolve, options),
    )
    try:
        await pipeline.call(GET_NETWORK_CONNECTOR, {"identifier": "prod-egress"})
    except ConfigurationError:
        return None
    (endpoint,), (request,) = transport.endpoints, transport.requests
    return judge.Configured(
        endpoint.url + endpoint.path,
        request.headers["authorization"].split("/")[2],
        request.headers["user-agent"].split("cfg/retry-mode#")[1],
        int(request.headers["amz-sdk-request"].split("max=")[1]),
    )


@of_hypothesis(thorough, max_examples=examples(1))
@given(
    environ=variables,
    default=profiles,
    work=profiles,
    profile=st.none() | st.sampled_from(["work", "default"]),
    options=options,
)
def test_endpoints_and_retries_are_those_of_botocore(
    tmp_path_factory: pytest.TempPathFactory,
    environ: dict[str, str],
    default: dict[str, str],
    work: dict[str, str],
    profile: str | None,
    options: ClientOptions,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "config").write_text(config_file(default, work))
    files = {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": NOWHERE}
    theirs = dict(environ)
    # A difference: other SDKs, unlike botocore, know AWS_REGION, and prefer it.
    if region := theirs.pop("AWS_REGION", None):
        theirs["AWS_DEFAULT_REGION"] = region
    with mock.patch.dict(os.environ, theirs | files, clear=True):
        expected = judge.configured(
            profile,
            options.region,
            options.endpoint_url,
            use_fips=options.use_fips_endpoint,
            use_dualstack=options.use_dualstack_endpoint,
        )
    if expected is not None:
        settings = asyncio.run(
            Configuration(environ | files, SharedConfig(environ | files, profile)).resolve(options)
        )
        try:
            settings.resolve_endpoint(settings.region, endpoint_url=settings.endpoint_url)
        except ConfigurationError:
            # The rule set refuses this; botocore forgets FIPS and dual-stack before it asks.
            assert settings.endpoint_url is not None
            refused = True
        else:
            refused = False
        if refused:
            expected = None
        elif expected.retry_mode == "legacy":
            # The oldest mode has no counterpart here; standard takes its place.
            expected = evolve(expected, retry_mode="standard")

    assert asyncio.run(ours(environ | files, profile, options)) == expected


async def test_the_sources_of_an_endpoint_have_this_order(tmp_path: Path) -> None:
    section = {"services": "known", "endpoint_url": "https://profile.example"}
    (tmp_path / "config").write_text(config_file(section, {}))
    environ = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "https://all.example",
        "AWS_ENDPOINT_URL_LAMBDA_CORE": "https://core.example",
    }
    given = ClientOptions("us-east-1", endpoint_url="https://given.example")
    assert (await resolve(environ, given)).endpoint_url == "https://given.example"
    assert (await resolve(environ)).endpoint_url == "https://core.example"
    del environ["AWS_ENDPOINT_URL_LAMBDA_CORE"]
    assert (await resolve(environ)).endpoint_url == "https://all.example"
    del environ["AWS_ENDPOINT_URL"]
    assert (await resolve(environ)).endpoint_url == "https://services.example"
    (tmp_path / "config").write_text(config_file({**section, "services": "empty"}, {}))
    assert (await resolve(environ)).endpoint_url == "https://profile.example"
    environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    assert (await resolve(environ)).endpoint_url is None
    assert (await resolve(environ, given)).endpoint_url == "https://given.example"


# Different from botocore, or stricter


async def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\nuse_fips_endpoint = true\nmax_attempts = 5\n"
    )
    empty = dict.fromkeys(EXPLICIT, "") | {"AWS_DEFAULT_REGION": "", "AWS_CA_BUNDLE": ""}
    environ = {**empty, "AWS_CONFIG_FILE": str(tmp_path / "config")}
    settings = await resolve(environ, ClientOptions())
    assert settings.resolve_endpoint(settings.region).host == "lambda-fips.eu-west-1.amazonaws.com"
    assert (settings.policy.mode, settings.policy.max_attempts) == ("standard", 5)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "yes", "must be true or false, got 'yes'"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1", "must be true or false, got '1'"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "on", "must be true or false, got 'on'"),
        ("AWS_RETRY_MODE", "turbo", "must be one of ('standard', 'adaptive'), got 'turbo'"),
        ("AWS_MAX_ATTEMPTS", "0", "must be a whole number from 1, got '0'"),
        ("AWS_MAX_ATTEMPTS", "2.5", "must be a whole number from 1, got '2.5'"),
        ("AWS_MAX_ATTEMPTS", "٣", "must be a whole number from 1, got '٣'"),
    ],
)
async def test_an_invalid_setting_is_rejected_by_the_name_of_its_source(
    tmp_path: Path, variable: str, value: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        await resolve({variable: value})
    assert str(raised.value) == f"{variable}: {problem}"

    setting = variable.removeprefix("AWS_").lower()
    (tmp_path / "config").write_text(f"[profile x]\n{setting} = {value}\n", encoding="utf-8")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "x"}
    with pytest.raises(ConfigurationError) as raised:
        await resolve(environ)
    assert str(raised.value) == f"{setting} of profile 'x': {problem}"
    assert (await resolve(environ, ALL)).region == "us-east-1"


@pytest.mark.parametrize(
    ("variable", "setting", "value", "problem"),
    [
        ("AWS_REGION", "region", "us east", "'us east' is not a valid region name"),
        ("AWS_DEFAULT_REGION", "region", "fips-", "'fips-' is not a valid region name"),
        ("AWS_ENDPOINT_URL", "endpoint_url", "nonsense", "'nonsense' is not an http or https URL"),
        ("AWS_ENDPOINT_URL_LAMBDA_CORE", "endpoint_url", "http://a.example", "'http://a.example' "),
        ("AWS_ENDPOINT_URL", "endpoint_url", "https://u:PASSWORD@a.example", "the URL must"),
    ],
)
async def test_an_invalid_region_or_endpoint_is_rejected_by_the_name_of_its_source(
    tmp_path: Path, variable: str, setting: str, value: str, problem: str
) -> None:
    region = None if setting == "region" else "us-east-1"
    (tmp_path / "config").write_text(f"[default]\n{setting} = {value}\n")
    for environ, source in (
        ({variable: value}, variable),
        ({"AWS_CONFIG_FILE": str(tmp_path / "config")}, f"{setting} of profile 'default'"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            await resolve(environ, ClientOptions(region))
        assert str(raised.value).startswith(f"{source}: {problem}")
        assert "PASSWORD" not in str(raised.value)
        assert raised.value.__context__ is None


async def test_allow_plain_http_applies_to_an_endpoint_of_the_environment() -> None:
    environ = {"AWS_ENDPOINT_URL": "http://a.example"}
    settings = await resolve(environ, ClientOptions("us-east-1", allow_plain_http=True))
    assert settings.endpoint_url == "http://a.example"


@pytest.mark.parametrize("environ", [{}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}])
async def test_a_missing_region_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="^no region: .*AWS_REGION, AWS_DEFAULT_REGION"):
        await resolve(environ, ClientOptions())


async def test_the_application_name_comes_from_the_environment_or_the_profile(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").write_text("[default]\nsdk_ua_app_id = of-the-profile\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert (await resolve(environ)).app_id == "of-the-profile"
    assert (await resolve({**environ, "AWS_SDK_UA_APP_ID": "mine"})).app_id == "mine"


# ClientOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_mode", "legacy"),
        ("retry_mode", 5),
        ("max_attempts", 0),
        ("max_attempts", "3"),
        ("max_attempts", True),
        ("max_attempts", 2.0),
        ("region", 5),
        ("region", b"us-east-1"),
        ("region", "us east"),
        ("region", "us-east-1\n"),
        ("endpoint_url", 5),
        ("use_fips_endpoint", "true"),
        ("use_dualstack_endpoint", 1),
        ("allow_plain_http", "no"),
        ("allow_plain_http", None),
    ],
)
def test_an_invalid_option_is_rejected_at_once(name: str, value: Any) -> None:
    with pytest.raises(ParameterError) as raised:
        ClientOptions(**{name: value})
    assert raised.value.parameter == name


class Text(str, Enum):  # noqa: UP042 - a StrEnum formats as its value
    """Strings whose format is not their value."""

    REGION = "eu-west-1"
    URL = "https://a.example"
    MODE = "adaptive"


async def test_a_member_of_a_string_enum_counts_as_its_value() -> None:
    mode: Any = Text.MODE
    settings = await resolve({}, ClientOptions(Text.REGION, endpoint_url=Text.URL, retry_mode=mode))
    shown = (settings.region, settings.endpoint_url, settings.policy.mode)
    assert [f"{each}" for each in shown] == ["eu-west-1", "https://a.example", "adaptive"]


@attrs.frozen
class Url:
    """A URL object, as in other libraries."""

    text: str

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (None, None),
        ("https://a.example", "https://a.example"),
        ("nonsense", "nonsense"),
        (URL("http://127.0.0.1:8080"), "http://127.0.0.1:8080"),
        (URL("https://a.example/x"), "https://a.example/x"),
        (urlsplit("http://localhost:1/x"), "http://localhost:1/x"),
        (urlparse("http://localhost:1/x"), "http://localhost:1/x"),
        (Url("HTTPS://a.example"), "HTTPS://a.example"),
    ],
)
def test_a_url_object_is_converted_to_text(url: Any, text: str | None) -> None:
    assert as_url(url) == text


@pytest.mark.parametrize(
    "url", [5, True, b"http://localhost", {"http://": 1}, ["http://a"], Path("http://a"), object()]
)
def test_a_value_that_is_not_a_url_is_rejected(url: Any) -> None:
    with pytest.raises(ParameterError, match=f"^endpoint_url: .* got {type(url).__name__}$"):
        as_url(url)


@pytest.mark.parametrize("path", [5, True, b"ca.pem", ["ca.pem"], False])
def test_a_value_that_is_not_a_path_is_rejected(path: Any) -> None:
    with pytest.raises(ParameterError, match=f"^ca_bundle: .* got {type(path).__name__}$"):
        ClientOptions(ca_bundle=path)


async def test_timeout_and_plain_http_are_passed_through() -> None:
    settings = await resolve(
        {}, ClientOptions("us-east-1", allow_plain_http=True, timeout=Timeout(total=3))
    )
    assert settings.resolve_endpoint("us-east-1", endpoint_url="http://a.example")
    assert settings.timeout == Timeout(total=3)


# The region of the credentials


async def test_the_home_region_is_that_of_the_client_or_of_its_first_view(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert await configuration(environ).home_region(ClientOptions("fips-us-east-1")) == "us-east-1"
    assert await configuration(environ).home_region(ClientOptions()) == "eu-west-1"
    environ["AWS_REGION"] = "cn-north-1"
    assert await configuration(environ).home_region(ClientOptions()) == "cn-north-1"
    subject = configuration({})
    assert await subject.home_region(ClientOptions()) is None
    for region in ("us-gov-west-1", "eu-west-1"):
        await subject.resolve(ClientOptions(region))
        assert await subject.home_region(ClientOptions()) == "us-gov-west-1"
    with pytest.raises(ConfigurationError, match="^AWS_REGION: 'us east' is not a valid region"):
        await configuration({"AWS_REGION": "us east"}).home_region(ClientOptions())


# Files


async def test_a_busy_executor_delays_neither_profile_nor_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(authority_pem())
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {tmp_path / 'ca.pem'}\n")
    async with busy_executor():
        subject = configuration({"AWS_CONFIG_FILE": str(tmp_path / "config")})
        await subject.resolve(ClientOptions("us-east-1"))
    assert subject.ssl_context is not None


async def test_no_file_is_read_if_all_settings_are_given() -> None:
    gone = SharedConfig({}, "no-such-profile")
    assert await Configuration({}, gone, verifies=False).resolve(ALL)
    assert await Configuration(EXPLICIT, gone, verifies=False).resolve(ClientOptions())
    for left in EXPLICIT:
        environ = {name: value for name, value in EXPLICIT.items() if name != left}
        with pytest.raises(ConfigurationError, match="no-such-profile"):
            await Configuration(environ, gone, verifies=False).resolve(ClientOptions())


async def test_files_are_opened_off_the_event_loop(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(authority_pem())
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {tmp_path / 'ca.pem'}\n")
    opened: list[tuple[str, int]] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(str(tmp_path)):
            opened.append((Path(str(arguments[0])).name, threading.get_ident()))

    sys.addaudithook(watch)
    try:
        subject = configuration({"AWS_CONFIG_FILE": str(tmp_path / "config")})
        await asyncio.gather(*(subject.resolve(ClientOptions("us-east-1")) for _ in range(1000)))
    finally:
        watching = False
    assert [name for name, _ in opened] == ["config"]
    assert threading.get_ident() not in {thread for _, thread in opened}
    assert subject.ssl_context.cert_store_stats()["x509"] == 1


# Certificates


async def test_a_ca_bundle_comes_from_the_caller_the_environment_or_the_profile(
    tmp_path: Path,
) -> None:
    for name in ("given", "variable", "profile", "requests"):
        (tmp_path / name).write_text(authority_pem() * (1 + (name == "given")))
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {tmp_path / 'profile'}\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    read: list[str] = []
    make = ssl.create_default_context

    def spy(*, cafile: str) -> ssl.SSLContext:
        read.append(Path(cafile).name)
        return make(cafile=cafile)

    requests = {"REQUESTS_CA_BUNDLE": str(tmp_path / "requests")}
    with mock.patch.object(ssl, "create_default_context", spy):
        for subject in (
            configuration(requests),
            configuration({**environ, **requests}),
            configuration({**environ, "AWS_CA_BUNDLE": str(tmp_path / "variable")}),
            configuration(
                {**environ, "AWS_CA_BUNDLE": str(tmp_path / "variable")},
                ca_bundle=tmp_path / "given",
            ),
        ):
            await subject.resolve(ClientOptions("us-east-1"))
            await subject.resolve(ClientOptions("eu-west-1"))
    assert read == ["requests", "profile", "variable", "given"]


async def test_the_home_directory_can_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "ca.pem").write_text(authority_pem())
    subject = configuration({"AWS_CA_BUNDLE": "~/ca.pem"})
    await subject.resolve(ClientOptions("us-east-1"))
    assert subject.ssl_context is not None


async def test_a_missing_services_section_matters_only_to_an_endpoint_from_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\nservices = nowhere\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    url = "https://host.example"
    for subject, options in (
        (configuration(environ), ClientOptions(endpoint_url=url)),
        (configuration({**environ, "AWS_ENDPOINT_URL": url}), ClientOptions()),
        (
            configuration({**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
            ClientOptions(),
        ),
    ):
        assert (await subject.resolve(options)).region == "us-east-1"
    with pytest.raises(ConfigurationError, match="section 'nowhere', named by profile 'default'"):
        await configuration(environ).resolve(ClientOptions())


async def test_a_callers_session_ignores_the_ca_bundle() -> None:
    subject = configuration({"AWS_CA_BUNDLE": "/no/such/file"}, verifies=False)
    await subject.resolve(ClientOptions("us-east-1"))
    assert subject.ssl_context is None


@pytest.mark.parametrize("place", ["given", "variable", "profile", "nowhere"])
async def test_the_librarys_connections_trust_the_ca_bundle_even_with_a_session(
    tmp_path: Path, place: str
) -> None:
    path = str(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text(authority_pem())
    (tmp_path / "config").write_text(
        f"[default]\nca_bundle = {path}\n" if place == "profile" else ""
    )
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    if place == "variable":
        environ["AWS_CA_BUNDLE"] = path
    given = {"ca_bundle": path} if place == "given" else {}
    subject = configuration(environ, verifies=False, **given)
    context = await subject.trust()
    assert (context is None) == (place == "nowhere")
    assert await subject.trust() is context


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file or directory"), ("", ""), ("nonsense", "")]
)
async def test_an_invalid_ca_bundle_is_rejected_by_name(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    for source, subject in {
        "AWS_CA_BUNDLE": configuration({"AWS_CA_BUNDLE": str(path)}),
        "ca_bundle": configuration({}, ca_bundle=str(path)),
    }.items():
        with pytest.raises(LambdaCoreError) as raised:
            await subject.resolve(ClientOptions("us-east-1"))
        assert type(raised.value) is ConfigurationError
        assert str(raised.value).startswith(f"{source}: '{path}': ")
        assert problem in str(raised.value)
        assert subject.ssl_context is None
