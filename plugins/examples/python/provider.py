"""A provider for servers that speak OpenAI's Chat Completions, in its smallest useful form.

The host calls `Provider`; every call runs in a fresh instance, so nothing survives from one to the
next. What you change for another wire: `request_body`, `Mapper`, and the settings in plugin.toml.
"""

import json

import vale
from wit_world import exports
from wit_world.imports import chat, http, models
from wit_world.imports import stream_types as events


class Provider(exports.Provider):
    def describe(self):
        return models.ProviderInfo("Echo", homepage=None, extras=[])

    async def list_models(self):
        settings = vale.settings()
        reply = await vale.send(http.Method_Get(), url(settings, "models"), headers(settings))
        return await vale.read_json(reply, listed)

    async def complete(self, request):
        settings = vale.settings()
        reply = await vale.send(
            http.Method_Post(), url(settings, "chat/completions"), headers(settings), request_body(request)
        )
        return vale.stream(reply, Mapper())


def url(settings, path):
    return settings["base_url"].rstrip("/") + "/" + path


def headers(settings):
    # Never the key: plugin.toml names the header, and the host adds it.
    organization = settings["organization"].strip()
    return [("openai-organization", organization)] if organization else []


def listed(body):
    # An entry without a name is no model.
    ids = [entry.get("id") for entry in body["data"] if isinstance(entry, dict)]
    return [model(name) for name in ids if isinstance(name, str)]


def model(name):
    # None is "the server does not say". Never guess.
    return models.Model(name, None, None, None, None, [], None, None, None, [])


# ---- The request


def request_body(request):
    body = {
        "model": request.model,
        "messages": [wire for message in request.messages for wire in wire_messages(message)],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": request.stop or None,
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": json.loads(tool.input_schema_json),
                },
            }
            for tool in request.tools
        ]
        body["tool_choice"] = tool_choice(request.tool_choice)
    if not isinstance(request.thinking, chat.ThinkingMode_Default):
        raise vale.unsupported("thinking")
    if not isinstance(request.format, chat.OutputFormat_Text):
        raise vale.unsupported("output format")
    if request.options_json is not None:
        raise vale.unsupported("options")
    return {name: value for name, value in body.items() if value is not None}


def tool_choice(choice):
    match choice:
        case chat.ToolChoice_Named(name):
            return {"type": "function", "function": {"name": name}}
        case chat.ToolChoice_Other(name):
            raise vale.unsupported(name)
    return {chat.ToolChoice_Any: "required", chat.ToolChoice_None_: "none"}.get(type(choice), "auto")


def wire_messages(message):
    """One message of ours as one or several of the wire's: each tool result is one of its own."""
    texts, calls, results = [], [], []
    for part in message.parts:
        match part:
            case chat.Part_Text(text):
                texts.append(text)
            case chat.Part_ToolCall(call):
                function = {"name": call.name, "arguments": call.arguments_json or "{}"}
                calls.append({"id": call.id, "type": "function", "function": function})
            case chat.Part_ToolResult(result):
                content = tool_result_text(result)
                results.append({"role": "tool", "tool_call_id": result.call_id, "content": content})
            case chat.Part_Thinking() | chat.Part_RedactedThinking():
                pass  # This wire does not take a model's thoughts back.
            case _:
                raise vale.unsupported("attachment")
    if not texts and not calls:
        return results
    wire = {"role": role(message.role), "content": "\n\n".join(texts)}
    return results + [wire | {"tool_calls": calls} if calls else wire]


def role(role):
    match role:
        case chat.Role_Assistant():
            return "assistant"
        case chat.Role_System() | chat.Role_Developer():
            return "system"
        case chat.Role_User():
            return "user"
    raise vale.unsupported("role")


def tool_result_text(result):
    texts = []
    for part in result.content:
        if not isinstance(part, (chat.ResultPart_Text, chat.ResultPart_Json)):
            raise vale.unsupported("attachment of a tool's result")
        texts.append(part.value)
    # The wire has no flag for a tool that failed.
    return ("Error: " if result.is_error else "") + "\n".join(texts)


# ---- The answer


class Mapper:
    """Reads one answer, event by event."""

    def __init__(self):
        self.text, self.thinking = vale.TextJoiner(), vale.TextJoiner()
        self.calls, self.usage, self.reason, self.id, self.model = [], None, None, None, None

    def on_data(self, data, out):
        if data == b"[DONE]":
            return True
        chunk = json.loads(data)
        if error := vale.told_error(chunk):
            raise error
        if self.id is None:
            self.id, self.model = chunk.get("id", ""), chunk.get("model")
            out.append(events.Event_Started(events.Started(self.id, self.model, [])))
        for choice in chunk.get("choices", [])[:1]:
            self.on_delta(choice.get("delta") or {}, out)
            self.reason = choice.get("finish_reason") or self.reason
        if counts := chunk.get("usage"):
            self.usage = usage(counts)
            out.append(events.Event_Usage(self.usage))
        return False

    def on_delta(self, delta, out):
        if thought := self.thinking.push(delta.get("reasoning_content") or ""):
            out.append(events.Event_Thinking(thought))
        if text := self.text.push(delta.get("content") or ""):
            out.append(events.Event_Text(text))
        for piece in delta.get("tool_calls") or []:
            function, index = piece.get("function") or {}, piece["index"]
            if index == len(self.calls):
                self.calls.append("")
                start = events.CallStart(index, piece["id"], function["name"], [])
                out.append(events.Event_ToolCallStart(start))
            if arguments := function.get("arguments"):
                self.calls[index] += arguments
                out.append(events.Event_ToolCallDelta(events.CallDelta(index, arguments)))

    def finish(self, out):
        for index, arguments in enumerate(self.calls):
            if not arguments.strip():
                out.append(events.Event_ToolCallDelta(events.CallDelta(index, "{}")))
            out.append(events.Event_ToolCallEnd(events.CallEnd(index, None, [])))
        reasons = {
            "stop": events.FinishReason_Stop(),
            "length": events.FinishReason_MaxTokens(),
            "tool_calls": events.FinishReason_ToolCalls(),
            "content_filter": events.FinishReason_ContentFilter(),
        }
        reason = reasons.get(self.reason) or events.FinishReason_Other(self.reason or "unknown")
        return events.Finish(reason, self.usage, self.id or None, self.model, [])


def usage(counts):
    """The wire counts cached tokens within the prompt; our buckets hold every token once."""
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    cached = (counts.get("prompt_tokens_details") or {}).get("cached_tokens")
    reasoned = (counts.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return events.Usage(
        input=None if prompt is None else max(prompt - (cached or 0), 0),
        cache_read=cached,
        cache_write_5m=None,
        cache_write_1h=None,
        output=None if completion is None else max(completion - (reasoned or 0), 0),
        reasoning=reasoned,
        uses=[],
        service_tier=None,
        reported_cost=None,
        raw_json=json.dumps(counts),
        extras=[],
    )
