"""What must hold after a benchmark that disturbed the service: no job and no token is lost."""

from collections import Counter
from collections.abc import Iterator

from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.vertex import VertexImitation
from tests.stack import Stack

COST = 50
JOBS = "SELECT id, prompt, status, operation, submitted_at, error_code FROM jobs_videojob"
CHARGED_TWICE = (
    "SELECT reference FROM tokens_ledger_entry WHERE kind = 'charge'"
    " GROUP BY reference HAVING count(*) > 1"
)


def broken(
    stack: Stack,
    google: VertexImitation,
    cloudinary: CloudinaryImitation,
    *,
    accepted: dict[str, str],
    granted: int,
    may_be_unknown: int,
) -> Iterator[str]:
    """The broken guarantees.

    `accepted` has the id of each accepted job by its prompt, `granted` is what all users got, and
    at most `may_be_unknown` jobs may have failed because their worker was killed.
    """
    rows = {str(row[0]): row for row in stack.sql(JOBS)}
    if set(accepted.values()) != set(rows):
        yield f"{len(accepted)} orders were accepted, and there are {len(rows)} jobs"
    creates = Counter(record.prompt for record in google.records if record.operation)
    yield from (f"{prompt} was submitted {n} times" for prompt, n in creates.items() if n > 1)
    yield from _broken_ends(rows, google, cloudinary)
    unknown = sum(code == "provider.unknown_submission" for *_, code in rows.values())
    if unknown > may_be_unknown:
        yield f"{unknown} submissions are unknown"
    yield from _broken_ledger(stack, granted, sum(row[2] == "SUCCEEDED" for row in rows.values()))
    if left := stack.sql("SELECT count(*) FROM jobs_jobimage")[0][0]:
        yield f"{left} input images were left"


def counts(stack: Stack) -> dict[str, int]:
    """How many jobs there are, by status and error code."""
    return dict(Counter(f"{row[2]} {row[5]}".strip() for row in stack.sql(JOBS)))


def _broken_ends(
    rows: dict[str, tuple], google: VertexImitation, cloudinary: CloudinaryImitation
) -> Iterator[str]:
    for id, prompt, status, operation, _, code in rows.values():
        if status not in ("SUCCEEDED", "FAILED"):
            yield f"job {id} is still {status}"
        if status == "SUCCEEDED":
            names = [name for name in cloudinary.public_ids if str(id) in name]
            if [cloudinary.content_of(name) for name in names] != [google.video_of(operation)]:
                yield f"job {id} succeeded, but its video is not the one that was made"
        if status == "FAILED" and code != "provider.unknown_submission":
            yield f"job {id} ({prompt}) failed with {code}"


def _broken_ledger(stack: Stack, granted: int, succeeded: int) -> Iterator[str]:
    audit = stack.manage("check_ledger", check=False)
    if audit.returncode:
        yield f"check_ledger: {audit.stdout.strip()}"
    yield from (f"job {id} was charged twice" for (id,) in stack.sql(CHARGED_TWICE))
    spent = granted - stack.sql("SELECT sum(balance) FROM tokens_ledger_account")[0][0]
    if spent != COST * succeeded:
        yield f"{succeeded} videos cost {spent} tokens"
