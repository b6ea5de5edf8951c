"""A client of the Agent2Agent protocol, written with the official Python SDK of whichever release is installed.

    caller.py URL BINDING NAME TOKEN|- COURSE LOG

Writes to LOG, as JSON, what the SDK told it: what the card says, and of each call the method that the specification gives it, the
states of the task in the order in which they came, kinds and numbers of parts that went each way, and whether it failed. Tasks are
numbered as they came. Nothing in it comes from the wire. COURSE is `card` (the card alone) or `all`.
"""

import asyncio
import json
import sys
import uuid
from importlib.metadata import version

import httpx

URL, BINDING, NAME, TOKEN, COURSE, LOG = sys.argv[1:7]
RELEASE = version("a2a-sdk")
ERA = tuple(int(n) for n in RELEASE.split(".")[:2])
HEADERS = {"User-Agent": NAME} | ({} if TOKEN == "-" else {"Authorization": f"Bearer {TOKEN}"})
log = {"sdk": f"a2a-sdk {RELEASE} (PyPI)", "authorized": TOKEN != "-", "binding": BINDING, "calls": [], "tasks": {}}
numbers = {}

METHODS = {
    "send": ("message/send", "SendMessage"),
    "stream": ("message/stream", "SendStreamingMessage"),
    "get": ("tasks/get", "GetTask"),
    "cancel": ("tasks/cancel", "CancelTask"),
    "list": ("tasks/list", "ListTasks"),
    "extended": ("agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard"),
}


def state_name(state):
    """Both generations by one name."""
    name = state.value if hasattr(state, "value") else TaskState.Name(state)
    return name.removeprefix("TASK_STATE_").lower().replace("-", "_")


def note(what, task=None, states=(), failed=False, sent=0, received=None):
    method = METHODS[what][1 if ERA[0] >= 1 or BINDING == "rest" else 0]
    shown = []
    for state in map(state_name, states):
        if not shown or shown[-1] != state:
            shown.append(state)
    call = {"method": method, "states": shown, "failed": failed, "sent": sent}
    if received is not None:
        call["received"] = received
    if task is not None:
        call["task"] = numbers.setdefault(task, len(numbers))
        if shown:
            log["tasks"][str(call["task"])] = shown[-1]
    log["calls"].append(call)


def parts_of(task):
    said = task.status.message
    held = list(said.parts) if said else []
    return len(held) + sum(len(artifact.parts) for artifact in task.artifacts or [])


if ERA[0] >= 1:
    from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
    from a2a.types import (
        CancelTaskRequest,
        GetExtendedAgentCardRequest,
        GetTaskRequest,
        ListTasksRequest,
        Message,
        Part,
        Role,
        SendMessageConfiguration,
        SendMessageRequest,
        TaskState,
    )

    def message(text, task=None, context=None):
        return Message(
            message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)], task_id=task, context_id=context
        )

    def seen_of(card):
        return {
            "interfaces": [[one.url, one.protocol_binding, one.protocol_version] for one in card.supported_interfaces],
            "schemes": [scheme.WhichOneof("scheme") for scheme in card.security_schemes.values()],
            "guarded": len(card.security_requirements) > 0,
        }

    class Caller:
        def __init__(self, client, card):
            binding = "HTTP+JSON" if BINDING == "rest" else "JSONRPC"
            make = lambda streaming: ClientFactory(
                ClientConfig(streaming=streaming, httpx_client=client, supported_protocol_bindings=[binding])
            ).create(card)
            self.plain, self.streaming = make(False), make(True)

        async def send(self, text, stream=False, now=False, task=None, context=None):
            request = SendMessageRequest(message=message(text, task, context))
            if now:
                request.configuration.CopyFrom(SendMessageConfiguration(return_immediately=True))
            states, received, last = [], 0, None
            async for event in (self.streaming if stream else self.plain).send_message(request):
                kind = event.WhichOneof("payload")
                if kind == "task":
                    last = (event.task.id, event.task.context_id)
                    states.append(event.task.status.state)
                    received += parts_of(event.task)
                elif kind == "status_update":
                    states.append(event.status_update.status.state)
                    received += len(event.status_update.status.message.parts)
                elif kind == "artifact_update":
                    received += len(event.artifact_update.artifact.parts)
            note("stream" if stream else "send", last[0], states, sent=1, received=received)
            return last

        async def get(self, task):
            try:
                found = await self.plain.get_task(GetTaskRequest(id=task))
                note("get", task, [found.status.state], received=parts_of(found))
            except Exception:
                note("get", failed=True)

        async def cancel(self, task):
            found = await self.plain.cancel_task(CancelTaskRequest(id=task))
            note("cancel", task, [found.status.state], received=parts_of(found))

        async def rest(self):
            await self.plain.list_tasks(ListTasksRequest())
            note("list")
            card = await self.plain.get_extended_agent_card(GetExtendedAgentCardRequest())
            log["extended_skills"] = sorted(skill.id for skill in card.skills)
            note("extended")

else:
    from a2a.client import A2ACardResolver
    from a2a.types import Message, MessageSendConfiguration, MessageSendParams, Part, Role, TaskIdParams, TaskQueryParams, TextPart

    def message(text, task=None, context=None):
        return Message(
            message_id=str(uuid.uuid4()),
            role=Role.user,
            parts=[Part(root=TextPart(text=text))],
            task_id=task,
            context_id=context,
        )

    def seen_of(card):
        transport = getattr(card, "preferred_transport", None) or "JSONRPC"
        return {
            "interfaces": [[card.url, transport, getattr(card, "protocol_version", None)]],
            "schemes": [scheme.root.type for scheme in card.security_schemes.values()],
            "guarded": bool(card.security),
        }

    if ERA == (0, 2):
        from a2a.client import A2AClient
        from a2a.types import CancelTaskRequest, GetTaskRequest, SendMessageRequest, SendStreamingMessageRequest

        class Caller:
            def __init__(self, client, card):
                self.client = A2AClient(client, agent_card=card)

            async def send(self, text, stream=False, now=False, task=None, context=None):
                params = MessageSendParams(message=message(text, task, context))
                if now:
                    params.configuration = MessageSendConfiguration(accepted_output_modes=["text"], blocking=False)
                states, received, last = [], 0, None
                if not stream:
                    answer = await self.client.send_message(SendMessageRequest(id=str(uuid.uuid4()), params=params))
                    found = answer.root.result
                    note("send", found.id, [found.status.state], sent=1, received=parts_of(found))
                    return found.id, found.context_id
                request = SendStreamingMessageRequest(id=str(uuid.uuid4()), params=params)
                async for answer in self.client.send_message_streaming(request):
                    found = answer.root.result
                    if found.kind == "task":
                        last = (found.id, found.context_id)
                        received += parts_of(found)
                        states.append(found.status.state)
                    elif found.kind == "status-update":
                        received += len(found.status.message.parts) if found.status.message else 0
                        states.append(found.status.state)
                    elif found.kind == "artifact-update":
                        received += len(found.artifact.parts)
                note("stream", last[0], states, sent=1, received=received)
                return last

            async def get(self, task):
                answer = await self.client.get_task(GetTaskRequest(id="1", params=TaskQueryParams(id=task)))
                if getattr(answer.root, "error", None):
                    note("get", failed=True)
                else:
                    found = answer.root.result
                    note("get", task, [found.status.state], received=parts_of(found))

            async def cancel(self, task):
                answer = await self.client.cancel_task(CancelTaskRequest(id="1", params=TaskIdParams(id=task)))
                found = answer.root.result
                note("cancel", task, [found.status.state], received=parts_of(found))

            async def rest(self):
                pass

    else:
        from a2a.client import ClientConfig, ClientFactory

        class Caller:
            def __init__(self, client, card):
                transport = "HTTP+JSON" if BINDING == "rest" else "JSONRPC"
                make = lambda streaming, polling: ClientFactory(
                    ClientConfig(
                        streaming=streaming, polling=polling, httpx_client=client, supported_transports=[transport]
                    )
                ).create(card)
                self.plain, self.streaming, self.polling = make(False, False), make(True, False), make(False, True)

            async def send(self, text, stream=False, now=False, task=None, context=None):
                client = self.streaming if stream else self.polling if now else self.plain
                states, received, last = [], 0, None
                async for found, update in client.send_message(message(text, task, context)):
                    last = (found.id, found.context_id)
                    if update is None:
                        received += parts_of(found)
                        states.append(found.status.state)
                    elif update.kind == "status-update":
                        received += len(update.status.message.parts) if update.status.message else 0
                        states.append(update.status.state)
                    else:
                        received += len(update.artifact.parts)
                note("stream" if stream else "send", last[0], states, sent=1, received=received)
                return last

            async def get(self, task):
                try:
                    found = await self.plain.get_task(TaskQueryParams(id=task))
                    note("get", task, [found.status.state], received=parts_of(found))
                except Exception:
                    note("get", failed=True)

            async def cancel(self, task):
                found = await self.plain.cancel_task(TaskIdParams(id=task))
                note("cancel", task, [found.status.state], received=parts_of(found))

            async def rest(self):
                pass


async def main():
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as client:
        card = await A2ACardResolver(client, base_url=URL).get_agent_card()
        log["card"] = {
            "name": card.name,
            "version": card.version,
            "provider": card.provider.organization,
            "skills": sorted(skill.id for skill in card.skills),
            "streaming": bool(card.capabilities.streaming),
            **seen_of(card),
        }
        if COURSE == "all":
            caller = Caller(client, card)
            task, _ = await caller.send("find a berth for 140 m")
            await caller.get(task)
            await caller.send("find one for 90 m", stream=True)
            task, context = await caller.send("book pier 4")
            await caller.send("for the Seemöwe", task=task, context=context)
            await caller.send("sink the pier", stream=True)
            await caller.get(str(uuid.uuid4()))
            task, _ = await caller.send("watch the tide", now=True)
            await asyncio.sleep(0.3)
            await caller.cancel(task)
            await caller.rest()


asyncio.run(main())
with open(LOG, "w", encoding="utf-8") as out:
    json.dump(log, out)
