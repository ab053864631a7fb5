"""The service that measurements call: nginx where it is installed, else `static_server.py`.

It gives every request the same answer, and runs on a core of its own where the machine has two.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import environments
from static_server import CONNECTOR
from static_server import CONNECTOR_BODY as CONNECTOR_BODY

NGINX: Final = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
CONFIGURATION: Final = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_timeout 1h; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  open_file_cache max=8 inactive=1h; open_file_cache_valid 1h;
  server {{
    listen 127.0.0.1:{port} backlog=1024{ssl};
    location / {{
      root .; default_type application/json; etag off;
      add_header x-amzn-RequestId 00000000-0000-4000-8000-000000000000;
      try_files /answer.json =404;
    }}
  }}
}}
"""
TLS: Final = " ssl; ssl_certificate tls.pem; ssl_certificate_key tls.pem"
#: The cores of clients and of the service; the same one if there is one, none if none can be told.
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENTS: Final = set(CORES[:1])
SERVICE: Final = set(CORES[-1:])


class Server(NamedTuple):
    """Where the service is, and what a client needs to trust it."""

    url: str
    certificate: Path | None

    def variables(self) -> dict[str, str]:
        """A contender's environment variables; the clients know the certificate by two names."""
        if self.certificate is None:
            return environments.variables()
        path = str(self.certificate)
        return environments.variables(AWS_CA_BUNDLE=path, SSL_CERT_FILE=path)


def kind() -> str:
    """What the service is."""
    if not NGINX:
        return "static_server.py, for there is no nginx"
    shown = subprocess.run([NGINX, "-v"], check=True, capture_output=True, text=True)
    return shown.stderr.rpartition(":")[2].strip()


def stay_on(which: set[int], process: int = 0) -> None:
    """Keep a process to some cores; this one, unless another's number is given."""
    if which:
        os.sched_setaffinity(process, which)


def page_of(items: int) -> bytes:
    """What a listing of so many connectors answers."""
    summary = {
        name: CONNECTOR[name]
        for name in ("Arn", "Name", "Id", "State", "LastModified", "LatestVersionArn")
    } | {"Type": "VPC_EGRESS", "LatestVersion": 3}
    return json.dumps({"NetworkConnectors": [summary] * items}).encode()


def allow_connections(count: int) -> None:
    """Let this process and its children have so many open at once, if the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


@contextmanager
def serving(body: bytes = CONNECTOR_BODY, *, tls: bool = False) -> Iterator[Server]:
    """A service that gives each request this answer, in a process of its own."""
    allow_connections(4096)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "answer.json").write_bytes(body)
        certificate = folder / "certificate.pem" if tls else None
        if tls:
            make_certificate(folder)
        start = start_nginx if NGINX else start_static_server
        process, port = start(folder, tls=tls)
        try:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            yield Server(url, certificate)
        finally:
            process.terminate()
            process.communicate()


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 in `certificate.pem`, and with its key in `tls.pem`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    both = (folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / "tls.pem").write_bytes(both)


def start_nginx(folder: Path, *, tls: bool) -> tuple[subprocess.Popen[Any], int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = CONFIGURATION.format(port=port, ssl=TLS if tls else "")
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    process = start(folder, NGINX, "-p", folder, "-c", "nginx.conf", "-e", "error.log")
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "error.log").read_text(encoding="utf-8")) from None
            time.sleep(0.02)
        else:
            return process, port


def start_static_server(folder: Path, *, tls: bool) -> tuple[subprocess.Popen[Any], int]:
    options = ["--body", "answer.json", *(["--certificate", "tls.pem"] if tls else [])]
    server = environments.HERE / "static_server.py"
    process = start(folder, sys.executable, server, *options)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def start(folder: Path, *command: Any) -> subprocess.Popen[Any]:
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stay_on(SERVICE, process.pid)
    return process
