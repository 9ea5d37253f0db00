"""What goes wrong at Google, at Cloudinary and with the workers, and what becomes of the job.

Each fault is one row of a list; one test plays them all and compares each with its row of
`docs/faults.md`, which `python -m tests.faults --write` writes anew.
"""
