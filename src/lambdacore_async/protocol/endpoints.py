"""Where to send: region, FIPS, dual-stack and override make an endpoint, by the service's rules."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from lambdacore_async.errors import ConfigurationError

# Patterns are compiled at their first use, most of them never; `re` keeps them from then on.
_HOST_LABEL: Final = r"(?![0-9]+\Z)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)\Z"
#: As DNS and containers have them; a name in another script is to be given in its IDNA form.
_HOST_NAME: Final = r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?\Z"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


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
    if not is_region(region):
        raise ConfigurationError(f"region: {region!r} is not a valid region name")
    if endpoint_url is not None:
        if use_fips:
            raise ConfigurationError("FIPS and custom endpoint are not supported")
        if use_dualstack:
            raise ConfigurationError("Dualstack and custom endpoint are not supported")
        return _custom(endpoint_url, allow_plain_http=allow_plain_http)
    partition = partition_of(region)
    service = "lambda-fips" if use_fips else "lambda"
    suffix = partition.dual_stack_dns_suffix if use_dualstack else partition.dns_suffix
    host = f"{service}.{region}.{suffix}"
    return Endpoint(f"https://{host}", host)


def _custom(url: str, *, allow_plain_http: bool) -> Endpoint:
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except ValueError as error:
        raise ConfigurationError(f"endpoint_url: {error}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        # The text is not repeated: there may be a password in it.
        raise ConfigurationError("endpoint_url: only scheme, host, port and path can be given")
    if parts.scheme not in _DEFAULT_PORTS or not name:
        raise ConfigurationError(f"endpoint_url: {url!r} is not an http or https URL")
    if not re.match(_HOST_NAME, name) and _address(name) is None:
        raise ConfigurationError(f"endpoint_url: {name!r} is not a valid host name")
    if parts.scheme == "http" and not allow_plain_http and not _is_loopback(name):
        raise ConfigurationError(
            f"endpoint_url: {url!r} would send credentials' signatures unencrypted; "
            "plain http is for loopback addresses, unless allow_plain_http is set"
        )
    host = f"[{name}]" if ":" in name else name
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        host = f"{host}:{port}"
    return Endpoint(f"{parts.scheme}://{host}", host, quote(parts.path.rstrip("/"), safe="/-._~%"))


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
