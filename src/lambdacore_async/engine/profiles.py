"""The shared `config` and `credentials` files, as the AWS CLI and SDKs read them.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ConfigurationError
from lambdacore_async.escaping import escaped

#: A value in a file: text, or an indented block of further settings.
Setting: TypeAlias = str | Mapping[str, str]
_Section: TypeAlias = dict[str, Setting]

_SERVICE: Final = "lambda_core"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_PROFILE_VARIABLES: Final = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # as botocore looks for them
#: By the variable that names a file, where it is if none does.
_PLACES: Final = {
    "AWS_CONFIG_FILE": "~/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
}


class Profile:
    """What the files say under one name.

    Args:
        name: the profile's name.
        config: its section in the `config` file.
        credentials: its section in the `credentials` file.
        service: what the `services` section that it points to says about Lambda Core.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Setting] = _NOTHING,
        credentials: Mapping[str, Setting] = _NOTHING,
        service: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.name = name
        self.config = config
        self.credentials = credentials
        self.service = service

    def get(self, name: str) -> str | None:
        """A setting of the profile, wherever it stands; both files count, `credentials` first."""
        return text(self.credentials.get(name)) or text(self.config.get(name))

    def in_file(self, file: str, name: str) -> str | None:
        """A setting of the profile in one file: `config` or `credentials`."""
        return text((self.credentials if file == "credentials" else self.config).get(name))

    def first(self, names: Iterable[str]) -> str | None:
        """The first of these settings that is there, be it empty; `None` if none is."""
        return next(
            (name for name in names if name in self.config or name in self.credentials), None
        )


def text(setting: Setting | None) -> str | None:
    """A setting that is to be text; `None` if it is empty, or a block."""
    return setting if isinstance(setting, str) and setting else None


class SharedConfig:
    """The profile of a client, read at the first use, once, and off the event loop.

    Args:
        environ: the environment's variables.
        profile: its name. Defaults to that of `AWS_DEFAULT_PROFILE` or `AWS_PROFILE`, or `default`.
    """

    def __init__(self, environ: Mapping[str, str], profile: str | None = None) -> None:
        self._environ = environ
        self._profile = profile
        self._loaded: Profile | None = None
        self._turn = asyncio.Lock()

    async def load(self) -> Profile:
        """Return the profile, and read the files unless that was done before.

        Raises:
            ConfigurationError: a file cannot be read, or has no such profile.
        """
        async with self._turn:
            if self._loaded is None:
                self._loaded = await run_in_thread(self.read)
            return self._loaded

    def read(self) -> Profile:
        """Read the files, whether or not that was done before; see `load`. It blocks."""
        return load(self._environ, self._profile)


def load(environ: Mapping[str, str], name: str | None = None) -> Profile:
    """Read a profile from the files; it blocks.

    A file that no variable names counts as absent if it cannot be reached: there is no home
    directory, or it may not be entered.

    Args:
        environ: the environment's variables.
        name: the profile's name. Defaults to that of `AWS_DEFAULT_PROFILE` or `AWS_PROFILE`, or
            `default`, which alone may be absent.

    Raises:
        ConfigurationError: a file cannot be read, or has no such profile.
    """
    try:
        return _load(environ, name)
    except ConfigurationError as error:
        problem = str(error)
    # Raised anew, where neither the files' content nor the environment is at hand: a traceback may
    # show local variables.
    del environ
    raise ConfigurationError(problem)


def _load(environ: Mapping[str, str], name: str | None) -> Profile:
    chosen = name or next((environ[key] for key in _PROFILE_VARIABLES if environ.get(key)), None)
    config, credentials = (_read(environ.get(variable) or None, variable) for variable in _PLACES)
    profiles = _named(config, "profile")
    wanted = chosen or "default"
    if chosen is not None and wanted not in profiles and wanted not in credentials:
        places = (environ.get(variable) or place for variable, place in _PLACES.items())
        raise ConfigurationError(
            f"profile {wanted!r} not found in {' or '.join(map(escaped, places))}"
        )
    profile = Profile(wanted, profiles.get(wanted, {}), credentials.get(wanted, {}))
    profile.service = _service(profile, _named(config, "services"))
    return profile


def _service(profile: Profile, services: Mapping[str, _Section]) -> Mapping[str, str]:
    name = profile.get("services")
    if name is None:
        return {}
    if not services.get(name):
        raise ConfigurationError(
            f"services: the profile {profile.name!r} names a section {name!r}, which is not there"
        )
    settings = services[name].get(_SERVICE, {})
    return {} if isinstance(settings, str) else settings


def _named(config: Mapping[str, _Section], kind: str) -> dict[str, _Section]:
    """Sections of a kind by name; the profile `default` needs no kind."""
    found: dict[str, _Section] = {}
    for head, section in config.items():
        try:
            words = shlex.split(head)
        except ValueError:  # quotes that do not match; such a section has no name
            continue
        if len(words) == 2 and head.startswith(kind):
            found[words[1]] = section
        elif head == "default" and kind == "profile":
            found[head] = section
    return found


def _read(named: str | None, variable: str) -> dict[str, _Section]:
    """Read a file's sections; none if there is no such file.

    Args:
        named: where the file is, if the variable says so.
        variable: the variable that may name it.
    """
    path = named or _PLACES[variable]
    try:
        place = Path(os.path.expandvars(path)).expanduser()
        if not stat.S_ISREG(place.stat().st_mode):
            return {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, RuntimeError) as error:  # the latter if there is no home directory
        if named is None:
            return {}
        problem = error.strerror if isinstance(error, OSError) else "there is no home directory"
        raise ConfigurationError(
            f"{variable}: {escaped(path)}: cannot be read: {problem}"
        ) from None
    try:
        return _parse(place.read_text("utf-8-sig"))
    except OSError as error:
        problem = error.strerror
    except ValueError:
        # The parser's own words are not repeated: they quote the file, and it has secrets.
        problem = "it is malformed"
    raise ConfigurationError(f"{escaped(str(place))}: cannot be read: {problem}")


def _parse(content: str) -> dict[str, _Section]:
    """The sections in what a file says.

    Raises:
        ValueError: it is malformed.
    """
    import configparser  # many a service has no file, and starts without it

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content)
        return {
            head: {name: _setting(value) for name, value in parser.items(head)}
            for head in parser.sections()
        }
    except configparser.Error:
        raise ValueError("malformed") from None


def _setting(value: str) -> Setting:
    """Text as it is; of an indented block, the settings in it."""
    if not value.startswith("\n"):
        return value
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    pairs = (line.split("=", 1) for line in lines)
    return {name.strip(): inner.strip() for name, inner in pairs}
