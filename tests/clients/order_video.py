"""A program that uses the client which openapi-python-client generates: it makes two videos of an
image, one ordered by JSON and one by multipart, and deletes its account.

    order_video.py URL USERNAME PASSWORD DATA_URI
"""

import base64
import io
import json
import sys
import time

from studio_client import AuthenticatedClient, Client
from studio_client.api.auth import delete_account, log_in
from studio_client.api.tokens import list_token_entries
from studio_client.api.video_jobs import (
    create_video_job,
    download_video,
    get_video_job,
    list_video_jobs,
    update_video_job,
)
from studio_client.api.video_models import list_video_models
from studio_client.models import (
    AspectRatio,
    CreateVideoJobMultipartRequest,
    CreateVideoJobRequest,
    DeleteAccountRequest,
    LogInRequest,
    Resolution,
    UpdateVideoJobRequest,
    VideoJob,
)
from studio_client.types import File

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


def main(url: str, username: str, password: str, image: str) -> None:
    credentials = LogInRequest(username=username, password=password)
    anonymous = Client(base_url=url)
    access = log_in.sync(client=anonymous, body=credentials).access
    client = AuthenticatedClient(base_url=url, token=access, follow_redirects=True)
    order = {
        "prompt": "A kite",
        "model": list_video_models.sync(client=anonymous).models[0].id,
        "resolution": Resolution.RESOLUTION_720P,
        "aspect_ratio": AspectRatio.ASPECT_RATIO_16_9,
        "mock_mode": True,
        "negative_prompt": "rain",
        "seed": 4_294_967_295,
        "private": True,
    }
    by_json = CreateVideoJobRequest(**order, initial_image=image)
    content = io.BytesIO(base64.b64decode(image.partition(",")[2]))
    file = File(content, file_name="first.png", mime_type="image/png")
    by_form = CreateVideoJobMultipartRequest(**order, initial_image=file)
    wrong = CreateVideoJobRequest(**order | {"model": "none"})
    refusal = create_video_job.sync_detailed(client=client, body=wrong)
    created = [create_video_job.sync(client=client, body=each) for each in (by_json, by_form)]
    jobs = [ended(client, job) for job in created]
    change = UpdateVideoJobRequest(private=False)
    shown = update_video_job.sync(client=client, id=str(jobs[0].id), body=change)
    listed = list_video_jobs.sync(client=client, status_filter="SUCCEEDED,FAILED", limit=10)
    video = download_video.sync(client=client, id=str(jobs[0].id))
    entries = list_token_entries.sync(client=client)
    body = DeleteAccountRequest(password=password)
    deleted = delete_account.sync_detailed(client=client, body=body).status_code
    result = {
        "refused": [refusal.status_code, refusal.parsed.code],
        "jobs": [job.to_dict() for job in jobs],
        "private": [*(job.private for job in jobs), shown.private],
        "listed": [str(job.id) for job in listed.jobs],
        "kinds": [entry.kind for entry in entries.entries],
        "deleted": deleted,
        "start": list(video.payload.read()[4:8]),
    }
    print(json.dumps(result))


def ended(client: AuthenticatedClient, job: VideoJob) -> VideoJob:
    while job.status not in FINAL:
        time.sleep(0.2)
        job = get_video_job.sync(client=client, id=str(job.id))
    return job


main(*sys.argv[1:])
