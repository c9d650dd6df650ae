"""The node: a unix socket, jobs in processes of their own, a schedule. `app` puts it together."""
