"""The typed client of the admin socket: `AdminClient` blocks, `AsyncAdminClient` is awaited; same methods.

with AdminClient(Path("/opt/walrus/admin.socket")) as node:
    job = node.create()
    for step in node.watch(job.job_id):
        print(step.state, step.bytes_done)
"""

from walrus_fast.client.asynchronous import AsyncAdminClient
from walrus_fast.client.blocking import AdminClient

__all__ = ["AdminClient", "AsyncAdminClient"]
