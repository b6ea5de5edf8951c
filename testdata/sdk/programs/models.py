"""A server that answers as providers of language models do, with invented answers: OpenAI (chat completions, responses, embeddings),
Anthropic (messages), Google (generateContent) and Ollama, whole and streamed.

    models.py PORT

What it says is fixed by the request's path, by `stream` and by whether tools are offered, so that a recording can be made again.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["The ", "tide ", "is ", "high ", "at ", "six – ", "über ", "four ", "metres."]
CALL = {"port": "Nordhafen", "day": "Monday"}


class Models(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, pieces, kind="text/event-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            data = piece.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        self.answer({"object": "list", "data": []})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        asked = json.loads(body)
        path = self.path.split("?")[0]
        if "overloaded" in str(asked.get("model")):
            return self.answer({"error": {"message": "try later", "type": "rate_limit_error", "code": "429"}}, 429)
        tools, stream = bool(asked.get("tools")), asked.get("stream")
        if path.endswith("/chat/completions"):
            return self.chat(asked, tools, stream)
        if path.endswith("/completions"):
            return self.answer(completion(asked))
        if path.endswith("/responses"):
            return self.respond(asked, tools, stream)
        if path == "/v1/embeddings":
            return self.answer(embeddings(asked))
        if path.endswith("/messages/count_tokens"):
            return self.answer({"input_tokens": 33})
        if path.endswith("/messages"):
            return self.messages(asked, tools, stream)
        if ":" in path.rsplit("/", 1)[-1]:
            return self.gemini(path, asked, tools)
        if path.startswith("/api/"):
            return self.ollama(path, asked, tools, asked.get("stream", True))
        return self.answer({"error": {"message": "no such path"}}, 404)

    # OpenAI, "Chat Completions"

    def chat(self, asked, tools, stream):
        head = {"id": "chatcmpl-made-up", "created": 1_790_000_000, "model": asked["model"] + "-2026-08-01"}
        usage = {
            "prompt_tokens": 91,
            "completion_tokens": 38,
            "total_tokens": 129,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 12, "audio_tokens": 0},
        }
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(CALL)}}
            for n, name in enumerate(["tide_table", "tide_table", "free_berths"])
        ]
        if not stream:
            message = {"role": "assistant", "content": None if tools else "".join(WORDS), "refusal": None}
            if tools:
                message["tool_calls"] = calls
            choice = {"index": 0, "message": message, "logprobs": None}
            choice["finish_reason"] = "tool_calls" if tools else "stop"
            return self.answer({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

        def pieces():
            def event(delta, finish=None, **more):
                choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
                chunk = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
                return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

            yield event({"role": "assistant", "content": "", "refusal": None})
            if tools:
                for n, call in enumerate(calls):
                    function = call["function"]
                    start = {"index": n, **call, "function": {"name": function["name"], "arguments": ""}}
                    yield event({"tool_calls": [start]})
                    text = function["arguments"]
                    for at in range(0, len(text), 9):
                        part = {"index": n, "function": {"arguments": text[at : at + 9]}}
                        yield event({"tool_calls": [part]})
            else:
                for word in WORDS:
                    yield event({"content": word})
            yield event({}, "tool_calls" if tools else "stop")
            if (asked.get("stream_options") or {}).get("include_usage"):
                chunk = {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}
                yield f"data: {json.dumps(chunk)}\n\n"
            yield "data: [DONE]\n\n"

        return self.stream(pieces())

    # OpenAI, "Responses"

    def respond(self, asked, tools, stream):
        usage = {
            "input_tokens": 75,
            "input_tokens_details": {"cached_tokens": 32},
            "output_tokens": 44,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 119,
        }
        content = [{"type": "output_text", "text": "".join(WORDS), "annotations": []}]
        if tools:
            call = {"arguments": json.dumps(CALL), "status": "completed", "name": "tide_table"}
            items = [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "tides"}},
                {"type": "function_call", "id": "fc_1", "call_id": "call_1", **call},
                {"type": "function_call", "id": "fc_2", "call_id": "call_2", **call},
            ]
        else:
            items = [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}]
        response = {
            "id": "resp_made_up",
            "object": "response",
            "created_at": 1_790_000_000,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "model": asked["model"] + "-2026-08-01",
            "output": items,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": asked.get("tools") or [],
            "usage": usage,
        }
        if not stream:
            return self.answer(response)

        def pieces():
            number = 0

            def event(kind, **more):
                nonlocal number
                number += 1
                data = {"type": kind, "sequence_number": number, **more}
                return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"

            early = {**response, "status": "in_progress", "output": [], "usage": None}
            yield event("response.created", response=early)
            yield event("response.in_progress", response=early)
            for n, item in enumerate(items):
                if item["type"] == "function_call":
                    yield event("response.output_item.added", output_index=n, item={**item, "arguments": "", "status": "in_progress"})
                    at = {"item_id": item["id"], "output_index": n}
                    yield event("response.function_call_arguments.delta", delta=item["arguments"], **at)
                    yield event("response.function_call_arguments.done", arguments=item["arguments"], name=item["name"], **at)
                elif item["type"] == "message":
                    yield event("response.output_item.added", output_index=n, item={**item, "status": "in_progress", "content": []})
                    at = {"item_id": item["id"], "output_index": n, "content_index": 0}
                    empty = {"type": "output_text", "text": "", "annotations": []}
                    yield event("response.content_part.added", part=empty, **at)
                    for word in WORDS:
                        yield event("response.output_text.delta", delta=word, logprobs=[], **at)
                    yield event("response.output_text.done", text="".join(WORDS), logprobs=[], **at)
                    yield event("response.content_part.done", part=item["content"][0], **at)
                else:
                    yield event("response.output_item.added", output_index=n, item=item)
                yield event("response.output_item.done", output_index=n, item=item)
            yield event("response.completed", response=response)

        return self.stream(pieces())

    # Anthropic, "Messages"

    def messages(self, asked, tools, stream):
        usage = {
            "input_tokens": 21,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 48,
            "output_tokens": 57,
            "service_tier": "standard",
        }
        blocks = [{"type": "text", "text": "".join(WORDS)}]
        if tools:
            blocks = [
                {"type": "thinking", "thinking": "When is high water?", "signature": "bm90IHNpZ25lZA=="},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tides"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "I look at the table."},
                {"type": "tool_use", "id": "toolu_1", "name": "tide_table", "input": CALL},
                {"type": "tool_use", "id": "toolu_2", "name": "free_berths", "input": {"length": 90}},
            ]
        message = {
            "id": "msg_made_up",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": blocks,
            "stop_reason": "tool_use" if tools else "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        if not stream:
            return self.answer(message)

        def pieces():
            def event(kind, **more):
                return f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n"

            begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
            yield event("message_start", message=begun)
            yield event("ping")
            for n, block in enumerate(blocks):
                if block["type"] == "text":
                    yield event("content_block_start", index=n, content_block={"type": "text", "text": ""})
                    for word in block["text"].split(" "):
                        yield event("content_block_delta", index=n, delta={"type": "text_delta", "text": word + " "})
                elif block["type"].endswith("tool_use"):
                    yield event("content_block_start", index=n, content_block={**block, "input": {}})
                    text = json.dumps(block["input"])
                    for at in range(0, len(text), 11):
                        delta = {"type": "input_json_delta", "partial_json": text[at : at + 11]}
                        yield event("content_block_delta", index=n, delta=delta)
                else:
                    yield event("content_block_start", index=n, content_block=block)
                yield event("content_block_stop", index=n)
            delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
            yield event("message_delta", delta=delta, usage={"output_tokens": usage["output_tokens"]})
            yield event("message_stop")

        return self.stream(pieces())

    # Google, "generateContent"

    def gemini(self, path, asked, tools):
        model, method = path.rsplit("/", 1)[-1].split(":")
        if method == "countTokens":
            return self.answer({"totalTokens": 33})
        if method == "batchEmbedContents":
            return self.answer({"embeddings": [{"values": [0.5, -0.25]} for _ in asked["requests"]]})
        if method == "embedContent":
            return self.answer({"embedding": {"values": [0.5, -0.25]}})
        usage = {
            "promptTokenCount": 66,
            "candidatesTokenCount": 29,
            "totalTokenCount": 110,
            "cachedContentTokenCount": 40,
            "thoughtsTokenCount": 15,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 66}],
        }

        def document(parts, last):
            candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
            if last:
                candidate["finishReason"] = "STOP"
            part = {k: v for k, v in usage.items() if k != "candidatesTokenCount" or last}
            return {"candidates": [candidate], "usageMetadata": part, "modelVersion": model + "-002", "responseId": "made-up"}

        calls = [{"functionCall": {"name": "tide_table", "args": CALL}}, {"functionCall": {"name": "free_berths", "args": {"length": 90}}}]
        if method == "generateContent":
            return self.answer(document(calls if tools else [{"text": "".join(WORDS)}], True))
        rows = [[call] for call in calls] if tools else [[{"text": word}] for word in WORDS]
        ends = [n == len(rows) - 1 for n in range(len(rows))]
        return self.stream(
            f"data: {json.dumps(document(parts, last), ensure_ascii=False)}\r\n\r\n" for parts, last in zip(rows, ends)
        )

    # Ollama

    def ollama(self, path, asked, tools, stream):
        name = asked["model"]
        if path == "/api/embed":
            return self.answer({"model": name, "embeddings": [[0.5, -0.25]], "prompt_eval_count": 8, "total_duration": 900})
        usage = {
            "total_duration": 4_100_000,
            "load_duration": 900_000,
            "prompt_eval_count": 52,
            "prompt_eval_duration": 70_000,
            "eval_count": 19,
            "eval_duration": 300_000,
        }
        head = {"model": name, "created_at": "2026-08-01T10:00:00Z"}

        def said(text, calls=None):
            if path == "/api/generate":
                return {"response": text}
            message = {"role": "assistant", "content": text}
            if calls:
                message["tool_calls"] = calls
            return {"message": message}

        calls = [{"function": {"name": each, "arguments": CALL}} for each in ["tide_table", "tide_table"]] if tools else None
        if not stream:
            text = "" if tools else "".join(WORDS)
            return self.answer({**head, **said(text, calls), "done_reason": "stop", "done": True, **usage})
        rows = [said("", calls)] if tools else [said(word) for word in WORDS]
        lines = [{**head, **row, "done": False} for row in rows]
        lines.append({**head, **said(""), "done_reason": "stop", "done": True, **usage})
        return self.stream((json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "application/x-ndjson")


def completion(asked):
    choice = {"text": "".join(WORDS), "index": 0, "logprobs": None, "finish_reason": "length"}
    usage = {"prompt_tokens": 9, "completion_tokens": 16, "total_tokens": 25}
    return {"id": "cmpl-made-up", "object": "text_completion", "created": 1_790_000_000, "model": asked["model"], "choices": [choice], "usage": usage}


def embeddings(asked):
    base64 = asked.get("encoding_format") == "base64"
    vector = "AAAAPwAAgL4=" if base64 else [0.5, -0.25]
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return {"object": "list", "data": data, "model": asked["model"], "usage": {"prompt_tokens": 5, "total_tokens": 5}}


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Models).serve_forever()
