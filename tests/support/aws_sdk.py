"""boto3 clients for tests of the embedded service."""

from __future__ import annotations

import asyncio
import importlib
import re
from typing import Any

from lambdacore_async import Credentials
from support.botocore_judge import isolated_session

_boto3: Any = importlib.import_module("boto3")
_config: Any = importlib.import_module("botocore.config")
_exceptions: Any = importlib.import_module("botocore.exceptions")


def method_name(operation: str) -> str:
    """Return the method of an operation: `get_network_connector` for `GetNetworkConnector`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


class SdkError(Exception):
    """An error of boto3, as plain values."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(code, message, status)
        self.code, self.message, self.status = code, message, status


class Sdk:
    """A boto3 client that never retries."""

    def __init__(
        self,
        endpoint_url: str,
        credentials: Credentials,
        region: str,
        service: str = "lambda-core",
    ) -> None:
        self.client: Any = _boto3.session.Session(botocore_session=isolated_session()).client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=_config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )

    async def call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """Call an operation in a thread, and return the response without its metadata."""
        return await asyncio.to_thread(self._call, operation, parameters)

    def _call(self, operation: str, parameters: dict[str, object]) -> dict[str, Any]:
        try:
            result: dict[str, Any] = getattr(self.client, method_name(operation))(**parameters)
        except _exceptions.ClientError as error:
            response: Any = error.response
            raise SdkError(
                response["Error"]["Code"],
                response["Error"]["Message"],
                response["ResponseMetadata"]["HTTPStatusCode"],
            ) from None
        del result["ResponseMetadata"]
        return result

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
