"""Runs the service that benchmarks call: nginx if it is installed, else `static_server.py`.

The service gives every request the same response. It runs on another core than the clients if the
machine has two.
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
#: The cores of clients and of the service. Both are empty where the system cannot tell.
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENTS: Final = set(CORES[:1])
SERVICE: Final = set(CORES[-1:])


class Server(NamedTuple):
    """The service's URL, and the certificate for clients to trust."""

    url: str
    certificate: Path | None

    def variables(self) -> dict[str, str]:
        """Return a contender's environment variables, which make it trust the certificate."""
        if self.certificate is None:
            return environments.variables()
        path = str(self.certificate)
        return environments.variables(AWS_CA_BUNDLE=path, SSL_CERT_FILE=path)


def kind() -> str:
    """Return the service's name and version."""
    if not NGINX:
        return "static_server.py, because nginx is not installed"
    shown = subprocess.run([NGINX, "-v"], check=True, capture_output=True, text=True)
    return shown.stderr.rpartition(":")[2].strip()


def stay_on(which: set[int], process: int = 0) -> None:
    """Pin a process to cores; process 0 is this one."""
    if which:
        os.sched_setaffinity(process, which)


def page_of(items: int) -> bytes:
    """Return the body of a page of a listing with this many connectors."""
    summary = {
        name: CONNECTOR[name]
        for name in ("Arn", "Name", "Id", "State", "LastModified", "LatestVersionArn")
    } | {"Type": "VPC_EGRESS", "LatestVersion": 3}
    return json.dumps({"NetworkConnectors": [summary] * items}).encode()


def allow_connections(count: int) -> None:
    """Raise the limit on open files for this process and its children, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


@contextmanager
def serving(
    body: bytes = CONNECTOR_BODY, *, tls: bool = False, latency: float = 0, jitter: bool = False
) -> Iterator[Server]:
    """Run the service in a process.

    Args:
        body: body of every response.
        tls: whether it speaks TLS.
        latency: seconds between a request and its response. New connections take longer, as on a
            network.
        jitter: whether each latency is multiplied by a random number from 0.7 to 1.6.
    """
    allow_connections(4096)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "answer.json").write_bytes(body)
        certificate = folder / "certificate.pem" if tls else None
        if tls:
            make_certificate(folder)
        if NGINX and not latency:
            process, port = start_nginx(folder, tls=tls)
        else:
            process, port = start_static_server(folder, latency, tls=tls, jitter=jitter)
        try:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            yield Server(url, certificate)
        finally:
            process.terminate()
            process.communicate()


def make_certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 to `certificate.pem`, and with its key to `tls.pem`."""
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


def start_static_server(
    folder: Path, latency: float, *, tls: bool, jitter: bool
) -> tuple[subprocess.Popen[Any], int]:
    options = ["--body", "answer.json", "--latency", str(latency)]
    options += ["--certificate", "tls.pem"] * tls + ["--jitter"] * jitter
    server = environments.HERE / "static_server.py"
    process = start(folder, sys.executable, server, *options)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def start(folder: Path, *command: Any) -> subprocess.Popen[Any]:
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stay_on(SERVICE, process.pid)
    return process
