"""The node: real server processes, real sockets, real databases."""
