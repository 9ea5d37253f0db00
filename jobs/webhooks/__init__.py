"""Webhooks by Standard Webhooks 1.0: a user's URL, its secret, and the events for it.

`outbox` writes an event's row in the transaction that ends the job, and `jobs.worker.webhooks`
sends it. `sending` makes the HTTP request, to addresses that `addresses` allows.
"""
