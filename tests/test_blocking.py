"""Nothing blocks the event loop: blocking work runs in threads, from the first call on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from lambdacore_async.local import LocalLambdaCore
from support.certificates import authority_pem

#: Makes a client without arguments, calls, drops the credentials, and calls again. Then prints the
#: blocking operations on the event loop's thread, except imports.
CALLS: Final = """
import asyncio, json, os, sys, threading

from lambdacore_async import LambdaCoreClient

BLOCKING = {"open", "socket.getaddrinfo", "subprocess.Popen", "os.system", "time.sleep"}
MODULES = (".py", ".pyc", ".so")
seen = []


def watch(event, arguments):
    if event in BLOCKING and threading.current_thread() is threading.main_thread():
        if not str(arguments[0]).endswith(MODULES):
            seen.append(f"{event} {arguments[0]}")


async def main():
    sys.addaudithook(watch)
    async with LambdaCoreClient() as client:
        await client.get_network_connector("prod")
        source = client._core.pipeline.shared.credentials
        assert source.renew(source.current())
        await client.get_network_connector("prod")


asyncio.run(main())
print(json.dumps(seen))
"""


async def test_no_file_is_opened_and_no_name_resolved_on_the_loop(tmp_path: Path) -> None:
    async with LocalLambdaCore() as aws:
        aws.state.put_network_connector("prod")
        keys = (
            f"aws_access_key_id = {aws.credentials.access_key_id}\n"
            f"aws_secret_access_key = {aws.credentials.secret_access_key}\n"
        )
        contents = {
            "config": f"[default]\nregion = {aws.region}\nendpoint_url = {aws.endpoint_url}\n",
            "credentials": f"[default]\n{keys}",
            "bundle": authority_pem(),
        }
        for name, content in contents.items():
            await asyncio.to_thread((tmp_path / name).write_text, content)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", CALLS],
            env={
                **{name: value for name, value in os.environ.items() if "COV" not in name},
                "AWS_CONFIG_FILE": str(tmp_path / "config"),
                "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
                "AWS_CA_BUNDLE": str(tmp_path / "bundle"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == []
