"""A typed asyncio client for AWS Lambda Core."""
