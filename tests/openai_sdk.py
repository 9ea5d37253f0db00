"""openai-python, unmodified, as a client of /v1/videos."""

from typing import Any

import httpx2
from openai import DefaultHttpxClient, OpenAI

VEO = "veo-3.1-fast-generate-preview"
MOCK = {"mockMode": True}


def client(key: str, *, url: str = "http://testserver", **options: Any) -> OpenAI:
    """Without the environment's proxies; `options` are those of the SDK."""
    http: Any = DefaultHttpxClient(trust_env=False)
    return OpenAI(base_url=f"{url}/v1", api_key=key, **{"http_client": http} | options)


def in_process(key: str, **options: Any) -> OpenAI:
    """Its requests go to the WSGI application in this process, in the test's transaction."""
    from videostudio.wsgi import application

    transport = httpx2.WSGITransport(app=application)
    http = DefaultHttpxClient(transport=transport)
    return client(key, http_client=http, max_retries=0, **options)
