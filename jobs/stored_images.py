"""The input images of a job, as rows: the web processes write them and the workers read them."""

from jobs.input_images import Image
from jobs.models import JobImage, VideoJob
from jobs.providers.base import Inputs

Role = JobImage.Role


def save(*, job: VideoJob, inputs: Inputs) -> None:
    images = [
        (Role.INITIAL, 0, inputs.initial_image),
        (Role.END, 0, inputs.end_frame),
        *((Role.REFERENCE, i, image) for i, image in enumerate(inputs.reference_images)),
    ]
    rows = [
        JobImage(
            job=job,
            role=role,
            position=position,
            content=image.content,
            mime_type=image.mime_type,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
        )
        for role, position, image in images
        if image
    ]
    if rows:
        JobImage.objects.bulk_create(rows)


def read(*, job: VideoJob) -> Inputs:
    """The images of a job that has not ended."""
    if not job.has_input_images:
        return Inputs()
    images: dict[str, list[Image]] = {role: [] for role in Role.values}
    for row in job.images.order_by("role", "position"):
        images[row.role].append(
            Image(
                content=bytes(row.content),
                mime_type=row.mime_type,
                width=row.width,
                height=row.height,
            )
        )
    return Inputs(
        initial_image=next(iter(images[Role.INITIAL]), None),
        end_frame=next(iter(images[Role.END]), None),
        reference_images=images[Role.REFERENCE],
    )
