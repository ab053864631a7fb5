"""Endpoints and ARNs: finds a region's host by the service's endpoint rules, and its partition."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from lambdacore_async.errors import ConfigurationError
from lambdacore_async.escaping import escaped

# Compiled and cached by `re` at first use; most are never used.
_HOST_LABEL: Final = r"(?![0-9]+\Z)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)\Z"
#: A name of DNS or a container network; internationalized names must be in IDNA form.
_HOST_NAME: Final = r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?\Z"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_MAX_URL: Final = 2048
_MAX_QUOTED: Final = 100
_ARN_PARTS: Final = 6


class Endpoint(NamedTuple):
    """The address of the service in a region."""

    url: str
    """Scheme, host and port as a base URL, without a path or a trailing slash."""
    host: str
    """The `Host` header, which the signature covers."""
    path: str = ""
    """The prefix of each request's target; empty for AWS's own endpoints."""


class Arn(NamedTuple):
    """A globally unique resource name."""

    partition: str
    """The group of regions, such as `aws` or `aws-cn`."""
    service: str
    """The service's namespace, such as `lambda`."""
    region: str
    """The AWS region; empty if the resource belongs to none."""
    account: str
    """The account's twelve digits, or `aws` for resources that AWS manages."""
    resource: str
    """The resource; each service has its own format."""


def parse_arn(text: str) -> Arn | None:
    """Parse an ARN; return `None` if the text is not an ARN."""
    parts = text.split(":", _ARN_PARTS - 1)
    return Arn(*parts[1:]) if len(parts) == _ARN_PARTS and parts[0] == "arn" else None


class Partition(NamedTuple):
    """A group of AWS regions that share an identity service and a DNS suffix."""

    id: str
    """The partition's name, such as `aws-cn`."""
    regions: str
    """The pattern of its regions' names."""
    dns_suffix: str
    """The suffix of its endpoints' host names."""
    dual_stack_dns_suffix: str
    """The suffix of the host names of dual-stack endpoints."""


#: As in botocore's `partitions.json`. All of them have FIPS and dual-stack endpoints. Unknown
#: regions fall into the first one.
PARTITIONS: Final = (
    Partition(
        "aws",
        r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+\Z|aws-global\Z",
        "amazonaws.com",
        "api.aws",
    ),
    Partition(
        "aws-cn",
        r"cn-\w+-\d+\Z|aws-cn-global\Z",
        "amazonaws.com.cn",
        "api.amazonwebservices.com.cn",
    ),
    Partition(
        "aws-eusc",
        r"eusc-(de)-\w+-\d+\Z",
        "amazonaws.eu",
        "api.amazonwebservices.eu",
    ),
    Partition(
        "aws-iso",
        r"us-iso-\w+-\d+\Z|aws-iso-global\Z",
        "c2s.ic.gov",
        "api.aws.ic.gov",
    ),
    Partition(
        "aws-iso-b",
        r"us-isob-\w+-\d+\Z|aws-iso-b-global\Z",
        "sc2s.sgov.gov",
        "api.aws.scloud",
    ),
    Partition(
        "aws-iso-e",
        r"eu-isoe-\w+-\d+\Z|aws-iso-e-global\Z",
        "cloud.adc-e.uk",
        "api.cloud-aws.adc-e.uk",
    ),
    Partition(
        "aws-iso-f",
        r"us-isof-\w+-\d+\Z|aws-iso-f-global\Z",
        "csp.hci.ic.gov",
        "api.aws.hci.ic.gov",
    ),
    Partition(
        "aws-us-gov",
        r"us-gov-\w+-\d+\Z|aws-us-gov-global\Z",
        "amazonaws.com",
        "api.aws",
    ),
)


def is_region(text: str) -> bool:
    """Whether this can be the name of a region, unknown regions included."""
    return re.match(_HOST_LABEL, text) is not None


def partition_of(region: str) -> Partition:
    """Return the partition of a region; `aws` if no partition's pattern matches."""
    return next((p for p in PARTITIONS if re.match(p.regions, region)), PARTITIONS[0])


def resolve(
    region: str,
    *,
    endpoint_url: str | None = None,
    use_fips: bool = False,
    use_dualstack: bool = False,
    allow_plain_http: bool = False,
) -> Endpoint:
    """Return the endpoint that the service's endpoint rule set names.

    Args:
        region: the AWS region.
        endpoint_url: an endpoint to use instead of the region's own.
        use_fips: use the endpoint with FIPS 140 validated cryptography.
        use_dualstack: use the endpoint with both IPv4 and IPv6 addresses.
        allow_plain_http: accept http URLs of any host, not only of loopback addresses.

    Raises:
        ConfigurationError: if the region is not a valid region name, if the URL is invalid, or if
            the options contradict each other.
    """
    region = str.__str__(region)  # an enum member's value, not its name
    if not is_region(region):
        shown = escaped(repr(region), _MAX_QUOTED)
        raise ConfigurationError(f"region: {shown} is not a valid region name")
    if endpoint_url is not None:
        if use_fips:
            raise ConfigurationError("FIPS and custom endpoint are not supported")
        if use_dualstack:
            raise ConfigurationError("Dualstack and custom endpoint are not supported")
        return _custom(str.__str__(endpoint_url), allow_plain_http=allow_plain_http)
    partition = partition_of(region)
    service = "lambda-fips" if use_fips else "lambda"
    suffix = partition.dual_stack_dns_suffix if use_dualstack else partition.dns_suffix
    host = f"{service}.{region}.{suffix}"
    return Endpoint(f"https://{host}", host)


def _custom(url: str, *, allow_plain_http: bool) -> Endpoint:
    """Return the endpoint of a custom URL.

    An error quotes the URL only if it cannot contain a password: in `http://user:12345/x@host`,
    the user parses as the host, and the password as the port.
    """
    problem = _problem_of(url)
    shown = "the URL" if re.search(r"[@%\\?#]|:(?!//)", url) else escaped(repr(url), _MAX_QUOTED)
    if problem is not None:
        raise ConfigurationError(f"endpoint_url: {shown} {problem}")
    parts = urlsplit(url)
    port, name = parts.port, parts.hostname or ""
    if parts.scheme == "http" and not allow_plain_http and not _is_loopback(name):
        raise ConfigurationError(
            f"endpoint_url: {shown} would send credentials' signatures unencrypted; "
            "use https, a loopback address, or allow_plain_http"
        )
    host = f"[{name}]" if ":" in name else name
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        host = f"{host}:{port}"
    return Endpoint(f"{parts.scheme}://{host}", host, quote(parts.path.rstrip("/"), safe="/-._~%"))


def _problem_of(url: str) -> str | None:
    """Return why a URL is not a valid endpoint, without quoting it; `None` if it is valid."""
    if len(url) > _MAX_URL:
        return f"is longer than {_MAX_URL} characters"
    # `urlsplit` drops line breaks, tabs and leading whitespace.
    if url != url.strip() or not url.isprintable():
        return "has surrounding whitespace or unprintable characters"
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except ValueError:
        return "is not a valid URL; expected a URL such as https://host:8443/path"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must not have a user, password, query or fragment"
    if parts.scheme not in _DEFAULT_PORTS or not name:
        return "is not an http or https URL"
    if "%" in name and _address(name) is not None:
        return "has an IPv6 address with a zone"
    if re.search(r"//|/(\.|%2e){1,2}(/|$)", parts.path.rstrip("/"), re.IGNORECASE):
        return "has a path with an empty segment or one of dots"  # which SigV4 removes
    is_address = _address(name) is not None
    if not is_address and ("[" in parts.netloc or not re.match(_HOST_NAME, name)):
        return "has an invalid host name"
    return "has port 0" if port == 0 else None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
