"""The part of aws-requests-auth, which has no types of its own, that this project calls."""

from typing import Protocol

class _HasUrl(Protocol):
    @property
    def url(self) -> str: ...

def getSignatureKey(  # noqa: N802 - the library's own name
    key: str,
    dateStamp: str,
    regionName: str,
    serviceName: str,
) -> bytes: ...

class AWSRequestsAuth:
    @classmethod
    def get_canonical_path(cls, r: _HasUrl) -> str: ...
    @classmethod
    def get_canonical_querystring(cls, r: _HasUrl) -> str: ...
