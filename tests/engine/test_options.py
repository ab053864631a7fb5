"""`ClientOptions`: what another process can make a client from, and what is refused."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    AssumeRole,
    Attempt,
    ClientOptions,
    Credentials,
    CredentialsError,
    CredentialsRecipe,
    LambdaCoreClient,
    ParameterError,
    Timeout,
)
from lambdacore_async.local import LocalLambdaCore
from support.leaks import CREDENTIALS, assert_no_secret
from support.pickled import through_pickle

ROLE = AssumeRole("arn:aws:iam::123456789012:role/reader", external_id="ours")


async def provide() -> Credentials:
    return CREDENTIALS


def count(attempt: Attempt) -> None: ...


@attrs.frozen
class Vault(CredentialsRecipe):
    account: str

    async def __call__(self) -> Credentials:
        return attrs.evolve(CREDENTIALS, access_key_id=f"AKID{self.account}")


class Keys:
    async def __call__(self) -> Credentials:
        return CREDENTIALS

    def hook(self, attempt: Attempt) -> None: ...


recipes = st.sampled_from([None, ROLE, Vault("123456789012"), "app.identity:provide", provide])
options = st.builds(
    ClientOptions,
    region=st.none() | st.sampled_from(["us-east-1", "eu-west-1"]),
    profile=st.none() | st.text(min_size=1),
    credentials=recipes,
    endpoint_url=st.none() | st.just("https://a.example"),
    allow_plain_http=st.booleans(),
    use_fips_endpoint=st.none() | st.booleans(),
    use_dualstack_endpoint=st.none() | st.booleans(),
    retry_mode=st.none() | st.sampled_from(["standard", "adaptive"]),
    max_attempts=st.none() | st.integers(1, 10),
    timeout=st.builds(Timeout, total=st.none() | st.floats(1, 1e6)) | st.floats(1, 1e6),
    max_connections=st.integers(1, 1000),
    max_rate=st.none() | st.floats(0.1, 1e6),
    ca_bundle=st.none() | st.just("/ca.pem"),
    trust_env=st.booleans(),
    user_agent_extra=st.none() | st.just("app/1"),
    on_attempt=st.none() | st.just(count),
)


def test_the_options_are_the_parameters_of_the_constructor() -> None:
    signature = inspect.signature(LambdaCoreClient)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    assert attrs.asdict(ClientOptions(), recurse=False) == {**defaults, "label": None}


#: The options that views share with their client.
OF_CLIENTS = {
    *("profile", "endpoint_url", "allow_plain_http", "use_fips_endpoint", "use_dualstack_endpoint"),
    *("max_connections", "max_rate", "ca_bundle", "trust_env", "http_session", "user_agent_extra"),
    *("on_attempt", "on_call"),
}


def test_views_can_change_all_other_options() -> None:
    changeable = {*inspect.signature(LambdaCoreClient.with_options).parameters} - {"self"}
    assert changeable == {*attrs.fields_dict(ClientOptions)} - OF_CLIENTS


@pytest.mark.parametrize("option", [*attrs.fields_dict(ClientOptions)])
def test_the_document_of_the_configuration_has_every_option(option: str) -> None:
    document = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert re.search(rf"`{option}[`=]|[(`]{option}=", document.read_text(encoding="utf-8"))


@given(options)
def test_options_survive_pickling(options: ClientOptions) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert through_pickle(options, protocol) == options


@given(options)
def test_a_client_has_the_options_it_was_made_from(options: ClientOptions) -> None:
    given = attrs.asdict(options, recurse=False)
    del given["label"]  # of views only
    assert LambdaCoreClient(**given).options == options
    assert LambdaCoreClient.from_options(options).options == options


def test_a_client_is_made_from_options_only() -> None:
    wrong: Any = {"region": "us-east-1"}
    with pytest.raises(ParameterError, match="^options: must be ClientOptions, got dict$"):
        LambdaCoreClient.from_options(wrong)


def test_a_view_has_its_own_options() -> None:
    client = LambdaCoreClient("us-east-1", profile="work", max_connections=7)
    view = client.with_options(region="eu-west-1", credentials=ROLE, timeout=5, max_attempts=1)
    assert view.options == attrs.evolve(
        client.options, region="eu-west-1", credentials=ROLE, timeout=5, max_attempts=1
    )
    assert client.options == ClientOptions("us-east-1", profile="work", max_connections=7)


async def test_a_client_of_pickled_options_makes_calls() -> None:
    async with LocalLambdaCore() as aws:
        aws.accept(attrs.evolve(CREDENTIALS, access_key_id="AKID123456789012"))
        aws.state.put_network_connector("prod")
        options = through_pickle(aws.client(credentials=Vault("123456789012")).options)
        async with LambdaCoreClient.from_options(options) as client:
            assert (await client.get_network_connector("prod")).name == "prod"


def test_options_reach_a_process_that_has_imported_nothing() -> None:
    options = ClientOptions("eu-west-1", credentials=ROLE, timeout=5)
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", program],
        input=pickle.dumps(options),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout.decode().strip() == repr(options)


@pytest.mark.parametrize(
    "credentials",
    [
        CREDENTIALS,
        SimpleNamespace(aws_access_key="AKID", aws_secret_access_key="the-secret-key"),
        Keys(),
        partial(provide),
    ],
)
def test_credentials_that_may_hold_secrets_are_not_pickled(credentials: Any) -> None:
    options = ClientOptions(credentials=credentials)
    with pytest.raises(ParameterError, match="^credentials: cannot be pickled") as raised:
        pickle.dumps(options)
    assert_no_secret(raised.value, options)


def _of_a_function() -> Callable[[Attempt], None]:
    def hook(attempt: Attempt) -> None: ...

    return hook


HOOKS = [each.name for each in attrs.fields(ClientOptions) if each.name.startswith("on_")]


@pytest.mark.parametrize("option", HOOKS)
@pytest.mark.parametrize("hook", [_of_a_function(), Keys().hook, partial(count)])
def test_a_hook_that_cannot_be_imported_is_not_pickled(option: str, hook: Any) -> None:
    with pytest.raises(ParameterError, match=f"^{option}: cannot be pickled"):
        pickle.dumps(ClientOptions(**{option: hook}))


@pytest.mark.parametrize("module", ["__main__", "__mp_main__", "no.such.module", None])
def test_a_function_of_a_program_is_not_pickled(
    module: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "__module__", module)
    with pytest.raises(ParameterError, match="^on_attempt: cannot be pickled"):
        pickle.dumps(ClientOptions(on_attempt=count))


async def test_a_session_is_not_pickled() -> None:
    async with aiohttp.ClientSession() as session:
        options = ClientOptions(http_session=session)
        assert "http_session=<ClientSession>" in repr(options)
        with pytest.raises(ParameterError, match="^http_session: cannot be pickled"):
            pickle.dumps(options)
        with pytest.raises(ParameterError, match="^ca_bundle: cannot be combined"):
            ClientOptions(http_session=session, ca_bundle="/ca.pem")


@pytest.mark.parametrize(
    ("credentials", "text"),
    [
        (None, "None"),
        (ROLE, repr(ROLE)),
        ("app.identity:provide", "'app.identity:provide'"),
        (CREDENTIALS, repr(CREDENTIALS)),
        (partial(provide), "<partial>"),
        (Keys(), "<Keys>"),
        (provide, f"{__name__}.provide"),
    ],
)
def test_the_repr_names_the_source_of_credentials(credentials: Any, text: str) -> None:
    options = ClientOptions(credentials=credentials)
    assert f"credentials={text}," in repr(options)
    assert_no_secret(options)


# Providers by import path


async def test_credentials_are_imported_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalLambdaCore(credentials=CREDENTIALS) as aws:
        aws.state.put_network_connector("prod")
        async with aws.client(credentials="app_identity:here.provide") as client:
            with pytest.raises(CredentialsError, match="cannot import 'app_identity:here.provide'"):
                await client.get_network_connector("prod")
            module = SimpleNamespace(here=SimpleNamespace(provide=lambda: CREDENTIALS))
            monkeypatch.setitem(sys.modules, "app_identity", module)
            with pytest.raises(CredentialsError, match="'app_identity:here.provide' is not an as"):
                await client.get_network_connector("prod")
            module.here.provide = provide
            assert (await client.get_network_connector("prod")).name == "prod"


@pytest.mark.parametrize("path", ["", "provide", "app:", ":provide", "app provide", "a:b:c", "1:a"])
def test_a_text_that_is_no_import_path_is_rejected(path: str) -> None:
    with pytest.raises(ParameterError, match="^credentials: a str must be an import path such as"):
        ClientOptions(credentials=path)


@pytest.mark.parametrize("option", HOOKS)
@pytest.mark.parametrize("value", [provide, 5])
def test_a_hook_is_a_plain_function(option: str, value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        ClientOptions(**{option: value})
    assert caught.value.parameter == option
