"""A cache of network connectors, kept fresh by the listings that waiters and watches share."""
