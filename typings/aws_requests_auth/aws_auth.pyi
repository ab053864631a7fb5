"""The part of aws-requests-auth, which has no types of its own, that this project calls.

Only a benchmark calls the constructor and the signer itself.
"""

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
    def __init__(
        self,
        aws_access_key: str,
        aws_secret_access_key: str,
        aws_host: str,
        aws_region: str,
        aws_service: str,
        aws_token: str | None = None,
    ) -> None: ...
    def __call__(self, r: _HasUrl) -> object: ...
    @classmethod
    def get_canonical_path(cls, r: _HasUrl) -> str: ...
    @classmethod
    def get_canonical_querystring(cls, r: _HasUrl) -> str: ...
