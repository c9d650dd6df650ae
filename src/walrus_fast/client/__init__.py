"""The typed client of the admin socket: one that blocks, one that is awaited; same methods.

from walrus_fast.client.blocking import AdminClient  # or .asynchronous import AsyncAdminClient

with AdminClient(Path("/opt/walrus/admin.socket")) as node:
    job = node.create()
    for step in node.watch(job.job_id):
        print(step.state, step.bytes_done)

Two modules, because loading asyncio takes longer than most of the commands that only need to block.
"""
