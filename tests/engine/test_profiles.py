"""The AWS files are read as in botocore, off the event loop, and never quoted in errors."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdacore_async import ConfigurationError
from lambdacore_async.engine.profiles import Profile, SharedConfig, load
from support import botocore_judge as judge
from support.leaks import assert_no_secret, assert_no_secret_in_frames

CONFIG: Final = """
[default]
region = eu-west-1

[profile dev]
region = us-west-2
services = local
s3 =
  addressing_style = path

[profile "with space"]
region = ap-south-1

[services local]
lambda_core =
  endpoint_url = http://127.0.0.1:9
s3 =
  endpoint_url = http://127.0.0.1:8

[services plain]
lambda_core = text

[profile plain]
services = plain

[profile astray]
services = nowhere

[profile "odd]
region = us-east-1
"""
CREDENTIALS: Final = """
[dev]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = the-secret-key

[keys-only]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = the-secret-key
region = sa-east-1
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Variables that name files with several profiles."""
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text(CREDENTIALS)
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


@pytest.mark.parametrize(
    ("name", "variables", "region"),
    [
        (None, {}, "eu-west-1"),
        ("dev", {}, "us-west-2"),
        ("dev", {"AWS_PROFILE": "with space"}, "us-west-2"),
        (None, {"AWS_PROFILE": "with space"}, "ap-south-1"),
        (None, {"AWS_PROFILE": "with space", "AWS_DEFAULT_PROFILE": "dev"}, "us-west-2"),
        (None, {"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": ""}, "eu-west-1"),
        (None, {"AWS_PROFILE": "keys-only"}, "sa-east-1"),
    ],
)
def test_the_argument_and_the_variables_select_the_profile(
    environ: dict[str, str], name: str | None, variables: dict[str, str], region: str
) -> None:
    assert load({**environ, **variables}, name).get("region") == region


def test_without_files_the_default_profile_is_empty(tmp_path: Path) -> None:
    environ = {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path),
    }
    profile = load(environ)
    assert profile.name == "default"
    assert (profile.config, profile.credentials, profile.service) == ({}, {}, {})


@pytest.mark.parametrize("name", ["missing", "odd", "services"])
def test_the_error_of_a_missing_profile_names_it(environ: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, name)
    config, credentials = environ.values()
    assert str(caught.value) == f"profile {name!r} not found in {config} or {credentials}"


def test_a_block_has_nested_settings_and_is_not_text(environ: dict[str, str]) -> None:
    profile = load(environ, "dev")
    assert profile.config["s3"] == {"addressing_style": "path"}
    assert profile.get("s3") is None


def test_the_services_section_of_a_profile_has_settings_of_this_service(
    environ: dict[str, str],
) -> None:
    assert load(environ, "dev").service == {"endpoint_url": "http://127.0.0.1:9"}
    assert load(environ, "plain").service == {}
    with pytest.raises(ConfigurationError, match="'nowhere', named by profile 'astray', not found"):
        _ = load(environ, "astray").service


def test_a_setting_is_present_even_if_it_is_empty() -> None:
    profile = Profile("p", {"role_arn": ""}, {"sso_session": "s"})
    assert profile.first(["role_arn"]) == "role_arn"
    assert profile.first(["other", "sso_session", "role_arn"]) == "sso_session"
    assert profile.first(["other"]) is None
    assert profile.get("role_arn") is None
    assert profile.in_file("credentials", "sso_session") == "s"
    assert profile.in_file("config", "sso_session") is None


@pytest.mark.parametrize(
    "content",
    [
        b"the-secret-key without a section",
        b"[a]\nno sign the-secret-key\n",
        b"[a]\nx =\n  the-secret-key\n",
        b"[a]\nx = 1\nx = 2\n",
        b"[a]\nx = \xff\n",
    ],
)
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_malformed_file_is_named_and_not_quoted(
    environ: dict[str, str], variable: str, content: bytes
) -> None:
    Path(environ[variable]).write_bytes(content)
    with pytest.raises(ConfigurationError, match="malformed") as caught:
        load(environ)
    assert environ[variable] in str(caught.value)
    assert "the-secret-key" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_cannot_be_read_says_why(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        load(environ)


@pytest.mark.parametrize(
    "obstacle",
    ["nothing", "a folder", "a file for a folder", "a broken link", "a link to itself", "a pipe"],
)
def test_a_default_path_without_a_regular_file_counts_as_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    place = tmp_path / ".aws" / "config"
    if obstacle == "a file for a folder":
        place.parent.write_text("")
    else:
        place.parent.mkdir()
    match obstacle:
        case "a folder":
            place.mkdir()
        case "a broken link":
            place.symlink_to("nowhere")
        case "a link to itself":
            place.symlink_to(place)
        case "a pipe":
            os.mkfifo(place)
        case _:
            pass
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({}).config == {}


def test_an_unknown_home_directory_is_an_error_only_if_a_variable_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    assert load({}).config == {}
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        with pytest.raises(ConfigurationError) as caught:
            load({variable: "~/a\n\x1b[2J"})
        assert str(caught.value) == (
            f"{variable}: ~/a\\n\\x1b[2J: cannot be read: no home directory"
        )


def test_a_named_file_behind_a_symlink_loop_is_an_error(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ConfigurationError, match=r"^AWS_CONFIG_FILE: .*loop: cannot be read: "):
        load({**environ, "AWS_CONFIG_FILE": str(tmp_path / "loop")})


def test_a_byte_order_mark_is_ignored(environ: dict[str, str]) -> None:
    Path(environ["AWS_CONFIG_FILE"]).write_text("[default]\nregion = eu-west-1\n", "utf-8-sig")
    assert load(environ).get("region") == "eu-west-1"


#: A program that drops its permissions and reads a profile.
WITHOUT_PERMISSION: Final = """
import os, sys

for name in ("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
    os.environ.pop(name, None)
from lambdacore_async.engine.profiles import load  # while it can be imported
from lambdacore_async import ConfigurationError

home, *names = sys.argv[1:]
os.setgid(54321)
os.setuid(54321)
if home:
    os.environ["HOME"] = home
try:
    load(dict(name.split("=", 1) for name in names))
except ConfigurationError as error:
    print(error)
else:
    print("absent")
"""


def without_permission(home: Path | None, **environ: Path) -> str:
    """Return the result of reading the files without permission."""
    arguments = [str(home or ""), *(f"{name}={path}" for name, path in environ.items())]
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", WITHOUT_PERMISSION, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user"
)
def test_a_file_without_permission_is_absent_unless_it_is_named_or_readable_by_name() -> None:
    with TemporaryDirectory() as folder:  # the fixture's is in a folder of root's
        Path(folder).chmod(0o755)
        home = Path(folder, "home")
        aws = home / ".aws"
        aws.mkdir(parents=True)
        for name in ("config", "credentials"):
            (aws / name).write_text("[default]\nregion = eu-west-1\n")
        assert without_permission(None) == "absent"
        for closed in (home, aws):
            closed.chmod(0o700)
            assert without_permission(home) == "absent"
            assert without_permission(home, AWS_CONFIG_FILE=aws / "config") == (
                f"AWS_CONFIG_FILE: {aws / 'config'}: cannot be read: Permission denied"
            )
            closed.chmod(0o755)
        (aws / "config").chmod(0o600)
        assert without_permission(home) == f"{aws / 'config'}: cannot be read: Permission denied"


async def test_no_error_has_the_files_content_in_a_local_variable(
    environ: dict[str, str],
) -> None:
    environ["AWS_SECRET_ACCESS_KEY"] = "the-secret-key"
    with pytest.raises(ConfigurationError) as caught:
        await SharedConfig(environ, "missing").load()
    assert_no_secret_in_frames(caught.value)
    place = Path(environ["AWS_SHARED_CREDENTIALS_FILE"])
    await asyncio.to_thread(place.write_text, f"the-secret-key\n{CREDENTIALS}")
    with pytest.raises(ConfigurationError) as caught:
        await SharedConfig(environ).load()
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value)


def test_no_secret_is_in_the_repr(environ: dict[str, str]) -> None:
    assert "the-secret-key" not in repr(load(environ, "dev"))


async def test_the_files_are_read_once_and_off_the_loop(environ: dict[str, str]) -> None:
    reads: list[tuple[str, bool]] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and arguments[0] in environ.values():
            reads.append((arguments[0], threading.current_thread() is threading.main_thread()))

    sys.addaudithook(watch)
    config = SharedConfig(environ, "dev")
    profiles = await asyncio.gather(*[config.load() for _ in range(10)])
    watching = False
    assert len({id(profile) for profile in profiles}) == 1
    assert sorted(reads) == sorted((path, False) for path in environ.values())


async def test_files_are_read_again_after_an_error(environ: dict[str, str]) -> None:
    config = SharedConfig(environ, "new")
    with pytest.raises(ConfigurationError):
        await config.load()
    place = Path(environ["AWS_CONFIG_FILE"])
    await asyncio.to_thread(place.write_text, "[profile new]\nregion = us-east-2\n")
    assert (await config.load()).get("region") == "us-east-2"


NAMES: Final = st.sampled_from(["default", "a", "b", "with space"])
SECTION: Final = st.dictionaries(
    st.sampled_from(["region", "output", "use_fips_endpoint", "aws_access_key_id", "x-y"]),
    st.sampled_from(["one", "two = 2", "# three", "%(four)s", '"five"', "ÄÖÜ", ""]),
)


def written(sections: Mapping[str, Mapping[str, str]], *, config: bool) -> str:
    heads = {
        name: f'profile "{name}"' if config and name != "default" else name for name in sections
    }
    return "".join(
        f"[{heads[name]}]\n" + "".join(f"{key} = {value}\n" for key, value in section.items())
        for name, section in sections.items()
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, SECTION), st.dictionaries(NAMES, SECTION), NAMES)
def test_profiles_are_read_as_botocore_reads_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, dict[str, str]],
    credentials: dict[str, dict[str, str]],
    name: str,
) -> None:
    (tmp_path / "config").write_text(written(config, config=True), "utf-8")
    (tmp_path / "credentials").write_text(written(credentials, config=False), "utf-8")
    for variable, file in (("CONFIG", "config"), ("SHARED_CREDENTIALS", "credentials")):
        monkeypatch.setenv(f"AWS_{variable}_FILE", str(tmp_path / file))
    theirs = judge.profiles()
    if name not in theirs:
        with pytest.raises(ConfigurationError):
            load(os.environ, name)
    else:
        ours = load(os.environ, name)
        assert {**ours.config, **ours.credentials} == theirs[name]


def test_the_endpoint_of_a_services_section_is_that_of_botocore(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, path in environ.items():
        monkeypatch.setenv(variable, path)
    assert judge.configured_endpoint("dev") == load(environ, "dev").service["endpoint_url"]
