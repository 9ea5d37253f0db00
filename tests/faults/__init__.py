"""Failures of Google, Cloudinary and the workers, and what happens to the job.

Each fault is an item of a list. One test runs them all and compares each with its row of
`docs/faults.md`, which `python -m tests.faults --write` writes.
"""
