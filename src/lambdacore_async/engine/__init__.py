"""How it travels: sockets, time and identity."""
