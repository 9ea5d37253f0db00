"""All faults, by section of the table."""

from tests.faults import generating, owners, removing, storing, submitting, workers
from tests.faults.fault import Fault

FAULTS: dict[str, list[Fault]] = {
    "Google, when the order is sent": submitting.FAULTS,
    "Google, while the video is made": generating.FAULTS,
    "The storage": storing.FAULTS,
    "Workers and the clock": workers.FAULTS,
    "The owner": owners.FAULTS,
    "A video that the owner removes": removing.FAULTS,
}
