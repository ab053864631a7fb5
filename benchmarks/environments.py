"""Creates a virtual environment for each contender, because their pins of botocore conflict.

The first run creates them in `.environments`. They are recreated when their packages change.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
FOLDER: Final = HERE / ".environments"
UVLOOP: Final = "uvloop==0.23.*"
PACKAGES: Final = {
    "ours": ("--editable", str(ROOT), UVLOOP),
    "aiobotocore": ("aiobotocore==3.10.*", UVLOOP),
    "capo": ("capo-lambda-core==0.9.*", UVLOOP),
    "boto3": ("boto3==1.44.*",),
    "command_line": ("--editable", f"{ROOT}[cli]"),
    "aws": ("awscli==1.46.*",),
    "parts": ("--editable", str(ROOT), "boto3==1.44.*"),
    "fleet": ("--editable", str(ROOT), "distributed==2026.8.*"),
}
#: Bare aiohttp, alone or with our dependencies, uses the same installation as our client.
SHARED: Final = {"aiohttp": "ours", "signing": "ours", "dependencies": "ours"}


def python(contender: str) -> str:
    """Return the interpreter of a contender's environment; create it if missing or outdated."""
    name = SHARED.get(contender, contender)
    folder = FOLDER / name
    interpreter, marker = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join((sys.version, *PACKAGES[name]))
    if "--editable" in PACKAGES[name]:
        wanted += (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
        print(f"creating an environment for {name} ...", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [interpreter, "-m", "pip", "install", "--quiet", *PACKAGES[name]],
            check=True,
            stdout=sys.stderr,
        )
        marker.write_text(wanted, encoding="utf-8")
    return str(interpreter)


def variables(**more: str) -> dict[str, str]:
    """Return environment variables, without the user's settings of AWS, Python, TLS and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "SSL_")) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def versions(contender: str) -> dict[str, str]:
    """Return the versions installed in a contender's environment, by package."""
    listing = subprocess.run(
        [python(contender), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    pairs = (line.partition("==") for line in listing.splitlines())
    return {name.lower(): version for name, _, version in pairs}
