"""Errors about the admin server, its socket, and requests to it."""

from __future__ import annotations

from walrus_fast.errors.root import WalrusFastError


class ServerError(WalrusFastError):
    """Something about the admin server, its socket or a request to it."""

    code = "server"
    exit_status = 50


class ServerUnreachable(ServerError):
    """No server answers on the socket, or it went away in the middle."""

    code = "server-unreachable"
    retryable = True
    default_hint = "Is the node running, and is --socket-path its admin_socket_path?"


class SocketInUse(ServerError):
    """A server answers on the socket already; its socket is not taken from it."""

    code = "socket-in-use"
    exit_status = 51
    default_hint = "Stop the other server first, or give this one another admin_socket_path."


class SocketUnusable(ServerError):
    """The path cannot be this server's socket: too long, another user's, or not a socket."""

    code = "socket-unusable"
    exit_status = 52


class ProtocolViolation(ServerError):
    """The other side sent something that is not of the protocol, or too much of it."""

    code = "protocol-violation"
    exit_status = 53
    default_hint = "docs/protocol.md describes it. Are the client and the server of the same version?"


class PeerRefused(ServerError):
    """The caller is neither the user that the server runs as nor root."""

    code = "peer-refused"
    exit_status = 54
    default_hint = "Run it as the node's user, e.g. sudo -u walrus."


class QueueFull(ServerError):
    """As many jobs or requests wait as may wait."""

    code = "queue-full"
    exit_status = 55
    retryable = True
    default_hint = "Wait until some are done, or cancel some."


class JobNotFound(ServerError):
    """No job with that id, or none at all."""

    code = "job-not-found"
    exit_status = 56
    default_hint = "`checkpoint status` shows the jobs of this run of the server; `checkpoint list` the backups."


class ServerStopping(ServerError):
    """The server is on its way out."""

    code = "server-stopping"
    exit_status = 57
    retryable = True
    default_hint = "Try again when it has been started again."
