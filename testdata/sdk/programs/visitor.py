"""A client of the Model Context Protocol, written with the official Python SDK of whichever release is installed.

    visitor.py URL TRANSPORT NAME VERSION TOKEN|- COURSE LOG

Writes to LOG, as JSON, what the SDK told it: who the server says that it is, what was listed, and of each call its name, its
arguments by type, the size of its result and whether it was an error. Nothing in it comes from the wire.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from importlib.metadata import version

URL, TRANSPORT, NAME, VERSION, TOKEN, COURSE, LOG = sys.argv[1:8]
RELEASE = version("mcp")
MODERN = int(RELEASE.split(".")[0]) >= 2
HEADERS = {} if TOKEN == "-" else {"Authorization": f"Bearer {TOKEN}"}
log = {
    "sdk": f"mcp {RELEASE} (PyPI)",
    "client": {"name": NAME, "version": VERSION},
    "authorized": TOKEN != "-",
    "calls": [],
}


def kind(value):
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return "null" if value is None else names[type(value)]


# Whether the server writes letters outside ASCII as escapes: releases from 2.0 do, in 2026-07-28.
escaped = False


def size(result):
    """Bytes of what was read, written again: a field that was not there is not added."""
    text = result.model_dump_json(by_alias=True, exclude_unset=True)
    if escaped:
        text = json.dumps(json.loads(text), separators=(",", ":"))
    return len(text.encode())


def note(method, result=None, name=None, arguments=None, error=None):
    call = {"method": method}
    if name is not None:
        call["name"] = name
    if arguments:
        call["arguments"] = [[key, kind(value)] for key, value in arguments.items()]
    if error is not None:
        call["failed"] = True
    elif result is not None:
        call["failed"] = bool(getattr(result, "isError", getattr(result, "is_error", False)))
        call["result_bytes"] = size(result)
    log["calls"].append(call)
    return result


async def tool(session, name, arguments):
    try:
        return note("tools/call", await session.call_tool(name, arguments), name, arguments)
    except Exception as error:
        return note("tools/call", None, name, arguments, error)


async def visit(session):
    listed = note("tools/list", await session.list_tools()).tools
    log["tools"] = sorted(each.name for each in listed)
    annotations = {each.name: each.annotations for each in listed if getattr(each, "annotations", None)}
    log["read_only"] = sorted(
        name
        for name, said in annotations.items()
        if getattr(said, "readOnlyHint", getattr(said, "read_only_hint", None))
    )
    if COURSE == "list":
        return
    if COURSE == "plan":
        resources = note("resources/list", await session.list_resources()).resources
        templates = note("resources/templates/list", await session.list_resource_templates())
        templates = getattr(templates, "resourceTemplates", None) or templates.resource_templates
        pattern = lambda t: getattr(t, "uriTemplate", None) or t.uri_template
        log["resources"] = sorted([str(r.uri) for r in resources] + [pattern(t) for t in templates])
        prompts = note("prompts/list", await session.list_prompts()).prompts
        log["prompts"] = sorted(p.name for p in prompts)
        await tool(session, "free_berths", {"length": 140})
        await tool(session, "book_berth", {"ship": "Seemöwe", "berth": 3, "nights": 2, "crane": True})
        await tool(session, "cancel_booking", {"booking": "none"})
        read = await session.read_resource("harbour://piers/4" if MODERN else url("harbour://piers/4"))
        note("resources/read", read, "harbour://piers/4")
        note("prompts/get", await session.get_prompt("shift_report", {"shift": "late"}), "shift_report", {"shift": "late"})
        if "ask_pier" in log["tools"]:
            await tool(session, "ask_pier", {"pier": "Pier 7 – süd", "question": "Is there a ship?", "loud": True})
    if COURSE == "watch":
        await tool(session, "tide_table", {"port": "Nordhafen", "days": ["Monday", "Tuesday"], "options": {"chart": 1.5}})
        # Two at once: what comes back comes in the other order.
        together = asyncio.gather(
            tool(session, "pilot_arrival", {"station": "East"}),
            tool(session, "free_berths", {"length": 200}),
        )
        await together
        await tool(session, "no_such_tool", {"why": None})


def url(text):
    from pydantic import AnyUrl

    return AnyUrl(text)


async def legacy():
    from mcp import ClientSession
    from mcp.types import Implementation

    @asynccontextmanager
    async def transport():
        if TRANSPORT == "sse":
            from mcp.client.sse import sse_client

            async with sse_client(URL, headers=HEADERS) as streams:
                yield streams
        else:
            from mcp.client.streamable_http import streamablehttp_client

            async with streamablehttp_client(URL, headers=HEADERS) as (incoming, outgoing, _):
                yield incoming, outgoing

    options = {"client_info": Implementation(name=NAME, version=VERSION)}
    async with transport() as (incoming, outgoing):
        try:
            session = ClientSession(incoming, outgoing, **options)
        except TypeError:
            # The first releases cannot name a client; they say who they are themselves.
            session = ClientSession(incoming, outgoing)
            log["client"] = {"name": "mcp", "version": "0.1.0"}
        async with session:
            said = note("initialize", await session.initialize())
            log["calls"].append({"method": "notifications/initialized"})
            log["revision"] = said.protocolVersion
            log["server"] = {"name": said.serverInfo.name, "version": said.serverInfo.version}
            await visit(session)


async def modern():
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp_types import Implementation

    mode = "legacy" if TRANSPORT == "http-legacy" else "auto"
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        client = Client(
            streamable_http_client(URL, http_client=http),
            mode=mode,
            client_info=Implementation(name=NAME, version=VERSION),
        )
        async with client:
            global escaped
            escaped = client.protocol_version >= "2026"
            log["revision"] = client.protocol_version
            # What the package sends by itself: it asks the server what it is, and shakes hands with one that is older.
            if mode == "auto":
                log["calls"].append({"method": "server/discover"})
            if client.protocol_version < "2026":
                log["calls"] += [{"method": "initialize"}, {"method": "notifications/initialized"}]
            log["server"] = {"name": client.server_info.name, "version": client.server_info.version}
            await visit(client)


asyncio.run(modern() if MODERN else legacy())
with open(LOG, "w", encoding="utf-8") as out:
    json.dump(log, out, indent=1, ensure_ascii=False)
    out.write("\n")
