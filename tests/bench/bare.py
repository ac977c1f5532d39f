"""The floor of a submission: an aiohttp handler that parses and answers, served as relay is.

python tests/bench/bare.py PORT
"""

import asyncio
import sys

import orjson
import uvloop
from aiohttp import web

from relay.intake.gate import Bounds
from relay.intake.http import runner


async def submit(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    jobs = [
        {"account": "acme", "id": item["id"], "result": "created", "href": f"/v1/jobs/acme/{item['id']}"}
        for item in body.get("jobs", [body])
    ]
    return web.Response(status=202, body=orjson.dumps({"jobs": jobs}), content_type="application/json")


async def ready(_: web.Request) -> web.Response:
    return web.Response()


async def main(port: int) -> None:
    app = web.Application()
    app.add_routes([web.post("/v1/jobs", submit), web.get("/readyz", ready)])
    served = runner(app, Bounds())
    await served.setup()
    await web.TCPSite(served, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
