"""Where to send: region, FIPS, dual-stack and override make an endpoint, by the service's rules."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from lambdacore_async.errors import ConfigurationError
from lambdacore_async.escaping import escaped

# Patterns are compiled at their first use, most of them never; `re` keeps them from then on.
_HOST_LABEL: Final = r"(?![0-9]+\Z)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)\Z"
#: As DNS and containers have them; a name in another script is to be given in its IDNA form.
_HOST_NAME: Final = r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?\Z"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_MAX_URL: Final = 2048
_MAX_QUOTED: Final = 100


class Endpoint(NamedTuple):
    """A place to send requests to.

    Attributes:
        url: scheme, host and port as a base URL, without path and without a slash at its end.
        host: what the `Host` header says, and the signature covers.
        path: what precedes the target of each request; empty for AWS's own endpoints.
    """

    url: str
    host: str
    path: str = ""


class Partition(NamedTuple):
    """A group of AWS regions that share an identity service and a DNS suffix.

    Attributes:
        id: its name.
        regions: the pattern of its regions' names.
        dns_suffix: what its endpoints' names end in.
        dual_stack_dns_suffix: the same of those with IPv6 addresses too.
    """

    id: str
    regions: str
    dns_suffix: str
    dual_stack_dns_suffix: str


#: As in botocore's `partitions.json`. All of them have FIPS and dual-stack endpoints. The first one
#: is also the home of regions that nobody here has heard of yet.
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
    """Whether this can be the name of a region, one that nobody here has heard of included."""
    return re.match(_HOST_LABEL, text) is not None


def partition_of(region: str) -> Partition:
    """The partition that a region belongs to; `aws` for a region of no known shape."""
    return next((p for p in PARTITIONS if re.match(p.regions, region)), PARTITIONS[0])


def resolve(
    region: str,
    *,
    endpoint_url: str | None = None,
    use_fips: bool = False,
    use_dualstack: bool = False,
    allow_plain_http: bool = False,
) -> Endpoint:
    """Find the endpoint, as the service's endpoint rule set does.

    Args:
        region: the AWS region.
        endpoint_url: an endpoint to use instead of the region's own.
        use_fips: use the endpoint whose cryptography is FIPS 140 validated.
        use_dualstack: use the endpoint that has IPv6 addresses too.
        allow_plain_http: let the URL be http to any address, not only to a loopback one.

    Raises:
        ConfigurationError: the region is no region's name, the URL cannot be used, or the options
            contradict each other.
    """
    region = str.__str__(region)  # of an enum's member, the region and not the member's name
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
    """Read an endpoint's URL.

    Of a URL that is refused nothing is repeated, unless there can be no user information in it: of
    `http://user:12345/x@host` the user is the host, and the password the port.
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
            "plain http is for loopback addresses, unless allow_plain_http is set"
        )
    host = f"[{name}]" if ":" in name else name
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        host = f"{host}:{port}"
    return Endpoint(f"{parts.scheme}://{host}", host, quote(parts.path.rstrip("/"), safe="/-._~%"))


def _problem_of(url: str) -> str | None:
    """Why a URL cannot be an endpoint's, in words that repeat nothing of it."""
    if len(url) > _MAX_URL:
        return f"is longer than {_MAX_URL} characters"
    # `urlsplit` drops line breaks, tabs, and white space at the start.
    if url != url.strip() or not url.isprintable():
        return "has white space around it, or characters that cannot be printed"
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except ValueError:
        return "is not a valid URL; expected scheme, host, port and path, as https://host:8443/path"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must have only a scheme, host, port and path"
    if parts.scheme not in _DEFAULT_PORTS or not name:
        return "is not an http or https URL"
    if "%" in name and _address(name) is not None:
        return "has an IPv6 address with a zone"
    is_address = _address(name) is not None
    if not is_address and ("[" in parts.netloc or not re.match(_HOST_NAME, name)):
        return "has a host that is not a valid host name"
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
