"""How it is spoken: from value to value, without sockets, clock or randomness."""
