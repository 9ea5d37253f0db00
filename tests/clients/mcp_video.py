"""An MCP client: it starts the server SERVER by stdio, and makes a video with its tools.

mcp_video.py SERVER
"""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

ORDER = {
    "prompt": "A lighthouse at dusk",
    "model": "veo-3.1-fast-generate-preview",
    "resolution": "720p",
    "aspectRatio": "16:9",
    "mockMode": True,
}


async def main(server: str) -> dict[str, object]:
    transport = StdioTransport(command=sys.executable, args=[server], env=dict(os.environ))
    async with Client(transport) as client:
        tools = [tool.name for tool in await client.list_tools()]
        job = (await client.call_tool("createVideoJob", ORDER)).structured_content
        while job["status"] in ("PENDING", "RUNNING"):
            await asyncio.sleep(1)
            job = (await client.call_tool("getVideoJob", {"id": job["id"]})).structured_content
    return {"tools": tools, "status": job["status"], "video": job["cloudinaryUrl"]}


print(json.dumps(asyncio.run(main(sys.argv[1]))))
