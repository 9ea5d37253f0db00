"""All faults, by the section of the table that they stand in."""

from tests.faults import generating, owners, storing, submitting, workers
from tests.faults.fault import Fault

FAULTS: dict[str, list[Fault]] = {
    "Google, when the order is sent": submitting.FAULTS,
    "Google, while the video is made": generating.FAULTS,
    "The storage": storing.FAULTS,
    "Workers and the clock": workers.FAULTS,
    "The owner": owners.FAULTS,
}
