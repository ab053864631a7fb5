"""Reads the shared `config` and `credentials` files of the AWS CLI and SDKs.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from lambdacore_async.engine.locks import LoopLock
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ConfigurationError
from lambdacore_async.escaping import escaped

#: A value in a file: text, or an indented block of nested settings.
Setting: TypeAlias = str | Mapping[str, str]
_Section: TypeAlias = dict[str, Setting]

_SERVICE: Final = "lambda_core"
_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_PROFILE_VARIABLES: Final = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # in botocore's order
#: The default path of each file, by the variable that overrides it.
_DEFAULT_PATHS: Final = {
    "AWS_CONFIG_FILE": "~/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
}


class Profile:
    """The settings of one profile in both files.

    Args:
        name: the profile's name.
        config: its section in the `config` file.
        credentials: its section in the `credentials` file.
        service: the settings of Lambda Core in the `services` section that the profile names;
            `None` if there is no such section.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Setting] = _EMPTY,
        credentials: Mapping[str, Setting] = _EMPTY,
        service: Mapping[str, str] | None = _EMPTY,
    ) -> None:
        self.name = name
        self.config = config
        self.credentials = credentials
        self._service = service

    @property
    def service(self) -> Mapping[str, str]:
        """The settings of Lambda Core in the `services` section that the profile names.

        Raises:
            ConfigurationError: if there is no such section.
        """
        if self._service is None:
            named = self.get("services")
            raise ConfigurationError(
                f"services: section {named!r}, named by profile {self.name!r}, not found"
            )
        return self._service

    def get(self, name: str) -> str | None:
        """Return a setting from either file, `credentials` first; `None` if it is empty."""
        return _text(self.credentials.get(name)) or _text(self.config.get(name))

    def in_file(self, file: str, name: str) -> str | None:
        """Return a setting from one file, `config` or `credentials`; `None` if it is empty."""
        return _text((self.credentials if file == "credentials" else self.config).get(name))

    def first(self, names: Iterable[str]) -> str | None:
        """Return the first name in either file, even if its value is empty; `None` without one."""
        return next(
            (name for name in names if name in self.config or name in self.credentials), None
        )


def _text(setting: Setting | None) -> str | None:
    """Return the text of a setting, or `None` if it is empty or a block."""
    return setting if isinstance(setting, str) and setting else None


class SharedConfig:
    """A client's profile, read once, at the first use and off the event loop.

    Args:
        environ: the environment's variables.
        profile: the profile's name. Defaults to `AWS_DEFAULT_PROFILE`, `AWS_PROFILE` or `default`.
    """

    def __init__(self, environ: Mapping[str, str], profile: str | None = None) -> None:
        self._environ = environ
        self._profile = profile
        self._loaded: Profile | None = None
        self._lock = LoopLock()

    async def load(self) -> Profile:
        """Return the profile; the first call reads the files.

        Raises:
            ConfigurationError: if a file cannot be read, or no file has the profile.
        """
        async with self._lock.of_loop():
            if self._loaded is None:
                self._loaded = await run_in_thread(self.read)
            return self._loaded

    def read(self) -> Profile:
        """Read the files again, and return the profile; it blocks. See `load` for errors."""
        return load(self._environ, self._profile)


def load(environ: Mapping[str, str], name: str | None = None) -> Profile:
    """Read a profile from the files; it blocks.

    A file at its default path counts as absent if the user has no home directory or may not enter
    it.

    Args:
        environ: the environment's variables.
        name: the profile's name. Defaults to `AWS_DEFAULT_PROFILE`, `AWS_PROFILE` or `default`.
            Only `default` may be absent from both files.

    Raises:
        ConfigurationError: if a file cannot be read, or no file has the profile.
    """
    try:
        return _load(environ, name)
    except ConfigurationError as error:
        problem = str(error)
    # Raised again without the files' content and the environment in a local variable, because a
    # traceback may show local variables.
    del environ
    raise ConfigurationError(problem)


def _load(environ: Mapping[str, str], name: str | None) -> Profile:
    chosen = name or next((environ[key] for key in _PROFILE_VARIABLES if environ.get(key)), None)
    config, credentials = (
        _read(environ.get(variable) or None, variable) for variable in _DEFAULT_PATHS
    )
    profiles = _sections(config, "profile")
    name = chosen or "default"
    if chosen is not None and name not in profiles and name not in credentials:
        paths = (environ.get(variable) or path for variable, path in _DEFAULT_PATHS.items())
        raise ConfigurationError(
            f"profile {name!r} not found in {' or '.join(map(escaped, paths))}"
        )
    sections = profiles.get(name, {}), credentials.get(name, {})
    named = Profile(name, *sections).get("services")
    return Profile(name, *sections, _service(named, _sections(config, "services")))


def _service(name: str | None, services: Mapping[str, _Section]) -> Mapping[str, str] | None:
    if name is None:
        return {}
    if not services.get(name):
        return None
    settings = services[name].get(_SERVICE, {})
    return {} if isinstance(settings, str) else settings


def _sections(config: Mapping[str, _Section], kind: str) -> dict[str, _Section]:
    """Return the sections of a kind by name; the profile `default` may omit its kind."""
    found: dict[str, _Section] = {}
    for head, section in config.items():
        try:
            words = shlex.split(head)
        except ValueError:  # unbalanced quotes; such a section has no name
            continue
        if len(words) == 2 and head.startswith(kind):
            found[words[1]] = section
        elif head == "default" and kind == "profile":
            found[head] = section
    return found


def _read(override: str | None, variable: str) -> dict[str, _Section]:
    """Return a file's sections, or none if the file does not exist.

    Args:
        override: the path in the variable; `None` for the default path.
        variable: the variable that overrides the file's path.
    """
    path = override or _DEFAULT_PATHS[variable]
    try:
        place = Path(os.path.expandvars(path)).expanduser()
        if not stat.S_ISREG(place.stat().st_mode):
            return {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, RuntimeError) as error:  # RuntimeError if there is no home directory
        if override is None:
            return {}
        problem = error.strerror if isinstance(error, OSError) else "no home directory"
        raise ConfigurationError(
            f"{variable}: {escaped(path)}: cannot be read: {problem}"
        ) from None
    try:
        return _parse(place.read_text("utf-8-sig"))
    except OSError as error:
        problem = error.strerror
    except ValueError:
        # Leave out the parser's message, which quotes the file and its secrets.
        problem = "the file is malformed"
    raise ConfigurationError(f"{escaped(str(place))}: cannot be read: {problem}")


def _parse(content: str) -> dict[str, _Section]:
    """Return the sections in a file's content.

    Raises:
        ValueError: if the content is malformed.
    """
    import configparser  # programs without files never need it

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
    """Return text unchanged, and an indented block as its nested settings."""
    if not value.startswith("\n"):
        return value
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    pairs = (line.split("=", 1) for line in lines)
    return {name.strip(): nested.strip() for name, nested in pairs}
