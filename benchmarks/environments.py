"""A virtual environment for each contender: their pins of botocore contradict each other."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PACKAGES: Final = {
    "ours": (str(HERE.parent),),
    "aiobotocore": ("aiobotocore==3.10.*",),
    "capo": ("capo-lambda-core==0.9.*",),
    "boto3": ("boto3==1.44.*",),
}


def python(name: str) -> str:
    """The interpreter of a contender's environment, made if it is not there yet."""
    if name == "ours":
        return sys.executable
    folder = HERE / ".environments" / name
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        print(f"making an environment for {name} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run(
            [interpreter, "-m", "pip", "install", "--quiet", *PACKAGES[name]],
            check=True,
            stdout=sys.stderr,
        )
    return str(interpreter)
