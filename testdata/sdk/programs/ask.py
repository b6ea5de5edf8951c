"""Asks language models through the official Python package of a provider.

    ask.py PORT PACKAGE LOG

PACKAGE is `openai`, `anthropic`, `google` or `ollama`. Writes to LOG what the package told of each call, in the order of the calls.
Tokens are counted as Tapline states them: those taken in with what a cache had, those given out with those of reasoning.
"""

import json
import sys
from importlib.metadata import version

PORT, PACKAGE, LOG = sys.argv[1:4]
BASE = f"http://127.0.0.1:{PORT}"
SYSTEM = "You are the harbour master's clerk and you answer in one short sentence about ships, tides and berths."
QUESTION = "When is high water in the north harbour?"
DAY = {"type": "object", "properties": {"port": {"type": "string"}, "day": {"type": "string"}}, "required": ["port"]}
LENGTH = {"type": "object", "properties": {"length": {"type": "integer"}}}
TOOLS = [("tide_table", "Heights of the tide.", DAY), ("free_berths", "Berths that are free.", LENGTH)]
calls = []


def note(operation, model, streamed=False, answered=None, tokens=(None, None, None), offered=(), called=(), stop=None, **more):
    call = {"operation": operation, "model": model, "streamed": streamed, "tools_offered": sorted(offered)}
    call["tools_called"] = {name: list(called).count(name) for name in sorted(set(called))}
    for key, value in zip(["input_tokens", "output_tokens", "cached_tokens"], tokens):
        if value is not None:
            call[key] = value
    if answered is not None:
        call["model_answered"] = answered
    if stop is not None:
        call["stop"] = str(stop).lower()
    calls.append({**call, **more})


OFFERED = [name for name, _, _ in TOOLS]


def openai():
    import openai

    client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="not-a-key-openai", max_retries=0)
    chat = [{"role": "developer", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    functions = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS]

    def tokens(usage):
        if usage is None:
            return (None, None, None)
        cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
        return (usage.prompt_tokens, usage.completion_tokens, cached)

    for tools in [None, functions]:
        more = {"tools": tools} if tools else {}
        said = client.chat.completions.create(model="gpt-5-mini", messages=chat, **more)
        choice = said.choices[0]
        called = [c.function.name for c in choice.message.tool_calls or []]
        note("chat", "gpt-5-mini", False, said.model, tokens(said.usage), OFFERED if tools else (), called, choice.finish_reason, messages=2)
        for with_usage in [True, False]:
            options = {"stream_options": {"include_usage": True}} if with_usage else {}
            usage, called, stop, model = None, [], None, None
            for chunk in client.chat.completions.create(model="gpt-5-mini", messages=chat, stream=True, **options, **more):
                model, usage = chunk.model, chunk.usage or usage
                for choice in chunk.choices:
                    stop = choice.finish_reason or stop
                    called += [c.function.name for c in choice.delta.tool_calls or [] if c.function.name]
            note("chat", "gpt-5-mini", True, model, tokens(usage), OFFERED if tools else (), called, stop, messages=2)

    flat = [{"type": "function", "name": n, "description": d, "parameters": p, "strict": False} for n, d, p in TOOLS]
    flat.append({"type": "web_search"})
    own = {"function_call": lambda item: item.name, "web_search_call": lambda _: "web_search"}

    def responded(said, streamed, tools):
        usage = said.usage
        counts = (usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens)
        called = [own[item.type](item) for item in said.output if item.type in own]
        offered = OFFERED + ["web_search"] if tools else ()
        note("responses", "gpt-5", streamed, said.model, counts, offered, called, said.status)

    for tools in [None, flat]:
        more = {"tools": tools} if tools else {}
        responded(client.responses.create(model="gpt-5", instructions=SYSTEM, input=QUESTION, **more), False, tools)
        with client.responses.stream(model="gpt-5", instructions=SYSTEM, input=chat[1:], **more) as stream:
            for _ in stream:
                pass
            responded(stream.get_final_response(), True, tools)

    said = client.completions.create(model="gpt-3.5-turbo-instruct", prompt=QUESTION)
    note("completions", "gpt-3.5-turbo-instruct", False, said.model, (said.usage.prompt_tokens, said.usage.completion_tokens, None), stop=said.choices[0].finish_reason)
    said = client.embeddings.create(model="text-embedding-3-small", input=QUESTION)
    note("embeddings", "text-embedding-3-small", False, said.model, (said.usage.prompt_tokens, None, None))
    try:
        client.chat.completions.create(model="gpt-5-overloaded", messages=chat)
    except openai.RateLimitError:
        note("chat", "gpt-5-overloaded", messages=2)
    # Not a call of a model.
    client.models.list()


def anthropic():
    import anthropic

    client = anthropic.Anthropic(base_url=BASE, api_key="not-a-key-anthropic", max_retries=0)
    turns = [{"role": "user", "content": [{"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}}]}]
    own = [{"name": n, "description": d, "input_schema": p} for n, d, p in TOOLS]
    own.append({"type": "web_search_20250305", "name": "web_search", "max_uses": 2})

    def answered(said, streamed, tools, operation="messages"):
        usage = said.usage
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        called = [block.name for block in said.content if block.type in ("tool_use", "server_tool_use")]
        counts = (usage.input_tokens + read + written, usage.output_tokens, usage.cache_read_input_tokens)
        note(operation, "claude-sonnet-4-5", streamed, said.model, counts, OFFERED + ["web_search"] if tools else (), called, said.stop_reason)

    for tools in [None, own]:
        asked = {"model": "claude-sonnet-4-5", "max_tokens": 500, "system": SYSTEM, "messages": turns}
        if tools:
            asked["tools"] = tools
        answered(client.messages.create(**asked), False, tools)
        with client.messages.stream(**asked) as stream:
            for _ in stream:
                pass
            answered(stream.get_final_message(), True, tools)
    answered(client.beta.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=turns, betas=["made-up-2026-01-01"]), False, None)
    client.messages.count_tokens(model="claude-sonnet-4-5", messages=turns)
    note("count_tokens", "claude-sonnet-4-5")
    try:
        client.messages.create(model="claude-overloaded", max_tokens=5, messages=turns)
    except anthropic.RateLimitError:
        note("messages", "claude-overloaded")


def google():
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="not-a-key-google", http_options=types.HttpOptions(base_url=BASE))
    declared = types.Tool(
        function_declarations=[{"name": n, "description": d, "parameters_json_schema": p} for n, d, p in TOOLS]
    )
    never = types.AutomaticFunctionCallingConfig(disable=True)

    def answered(parts, streamed, tools):
        last = parts[-1]
        usage = last.usage_metadata
        counts = (usage.prompt_token_count, usage.candidates_token_count + usage.thoughts_token_count, usage.cached_content_token_count)
        called = [call.name for part in parts for call in part.function_calls or []]
        stop = last.candidates[0].finish_reason.value
        note("generateContent", "gemini-2.5-flash", streamed, last.model_version, counts, OFFERED if tools else (), called, stop)

    for tools in [False, True]:
        config = types.GenerateContentConfig(
            system_instruction=SYSTEM, tools=[declared] if tools else None, automatic_function_calling=never
        )
        asked = {"model": "gemini-2.5-flash", "contents": QUESTION, "config": config}
        answered([client.models.generate_content(**asked)], False, tools)
        answered(list(client.models.generate_content_stream(**asked)), True, tools)
    client.models.embed_content(model="gemini-embedding-001", contents=QUESTION)
    note("embeddings", "gemini-embedding-001")
    client.models.count_tokens(model="gemini-2.5-flash", contents=QUESTION)
    note("count_tokens", "gemini-2.5-flash")


def ollama():
    import ollama

    client = ollama.Client(host=BASE)
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    functions = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS]

    def answered(operation, parts, streamed, tools):
        last = parts[-1]
        called = [c.function.name for part in parts for c in getattr(getattr(part, "message", None), "tool_calls", None) or []]
        counts = (last.prompt_eval_count, last.eval_count, None)
        more = {"messages": 2} if operation == "chat" else {}
        note(operation, "llama3.2:3b", streamed, last.model, counts, OFFERED if tools else (), called, last.done_reason, **more)

    for tools in [None, functions]:
        answered("chat", [client.chat("llama3.2:3b", chat, tools=tools)], False, tools)
        answered("chat", list(client.chat("llama3.2:3b", chat, tools=tools, stream=True)), True, tools)
    answered("generate", [client.generate("llama3.2:3b", QUESTION, system=SYSTEM)], False, None)
    answered("generate", list(client.generate("llama3.2:3b", QUESTION, stream=True)), True, None)
    said = client.embed("all-minilm", QUESTION)
    note("embeddings", "all-minilm", False, said.model, (said.prompt_eval_count, None, None))


package = {"google": "google-genai"}.get(PACKAGE, PACKAGE)
{"openai": openai, "anthropic": anthropic, "google": google, "ollama": ollama}[PACKAGE]()
with open(LOG, "w", encoding="utf-8") as out:
    json.dump({"sdk": f"{package} {version(package)} (PyPI)", "calls": calls}, out, indent=1, ensure_ascii=False)
    out.write("\n")
