"""The region of a call: an ARN names it."""

from __future__ import annotations

from lambdacore_async.engine.pipeline import Pipeline
from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol.endpoints import is_region, parse_arn, partition_of


class Regions:
    """The pipelines of one view for all regions that its identifiers name.

    They share all but the region and its rate limiter. A client with a custom endpoint sends all
    calls there, signed for its own region.

    Args:
        home: the pipeline of the view's own region.
    """

    def __init__(self, home: Pipeline) -> None:
        self._home = home
        self._others: dict[str, Pipeline] = {}

    async def pipeline_of(
        self, identifier: str, operation: str, parameter: str = "identifier"
    ) -> Pipeline:
        """The pipeline of an ARN's region; that of the view for what is no ARN of Lambda.

        Args:
            identifier: an ARN, or anything else.
            operation: the API operation's name, for errors.
            parameter: the name of the parameter that has the identifier, for errors.

        Raises:
            ParameterError: the ARN is in another partition, where the view's credentials are
                unknown.
            ConfigurationError: the settings of the view cannot be used.
        """
        arn = parse_arn(identifier)
        if arn is None or arn.service != "lambda" or not is_region(arn.region):
            return self._home
        settings = await self._home.resolve_settings(operation)
        partition = partition_of(settings.region)
        if arn.partition != partition.id or partition_of(arn.region) is not partition:
            raise ParameterError(
                parameter,
                f"'{escaped(identifier, 256)}' is not in the client's partition, {partition.id}",
                operation=operation,
            )
        if arn.region == settings.region or settings.endpoint_url is not None:
            return self._home
        if arn.region not in self._others:
            self._others[arn.region] = Pipeline(
                self._home.shared, settings._replace(region=arn.region)
            )
        return self._others[arn.region]
