// A provider for servers that speak OpenAI's Chat Completions, in its smallest useful form.
//
// The host calls `provider`; every call runs in a fresh instance, so nothing survives from one to the
// next. What you change for another wire: `requestBody`, `Mapper`, and the settings in plugin.toml.

import { TextJoiner, exported, readJson, send, settings, stream, toldError, unsupported } from "./vale.js";

export const provider = {
  describe() {
    return { displayName: "Echo", homepage: null, extras: [] };
  },

  listModels: exported(async () => {
    const set = settings();
    const reply = await send("get", url(set, "models"), headers(set));
    // An entry without a name is no model.
    const named = (entry) => typeof entry?.id === "string";
    return readJson(reply, (body) => body.data.filter(named).map((entry) => model(entry.id)));
  }),

  complete: exported(async (request) => {
    const set = settings();
    const reply = await send("post", url(set, "chat/completions"), headers(set), requestBody(request));
    return stream(reply, new Mapper());
  }),
};

function url(set, path) {
  return `${set.base_url.replace(/\/+$/, "")}/${path}`;
}

function headers(set) {
  // Never the key: plugin.toml names the header, and the host adds it.
  const organization = set.organization.trim();
  return organization ? [["openai-organization", organization]] : [];
}

function model(id) {
  // null is "the server does not say". Never guess.
  return {
    id,
    displayName: null,
    capabilities: null,
    contextWindow: null,
    maxOutput: null,
    prices: [],
    optionsSchema: null,
    deprecatedOn: null,
    loaded: null,
    extras: [],
  };
}

// ---- The request

function requestBody(request) {
  if (request.thinking.tag !== "default") throw unsupported("thinking");
  if (request.format.tag !== "text") throw unsupported("output format");
  if (request.optionsJson !== null) throw unsupported("options");
  const hasTools = request.tools.length > 0;
  // JSON leaves out what is undefined.
  return {
    model: request.model,
    messages: request.messages.flatMap(wireMessages),
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: request.maxOutputTokens ?? undefined,
    temperature: request.temperature ?? undefined,
    top_p: request.topP ?? undefined,
    seed: request.seed ?? undefined,
    stop: request.stop.length > 0 ? request.stop : undefined,
    tools: hasTools ? request.tools.map(wireTool) : undefined,
    tool_choice: hasTools ? toolChoice(request.toolChoice) : undefined,
  };
}

function wireTool({ name, description, inputSchemaJson }) {
  const parameters = JSON.parse(inputSchemaJson);
  return { type: "function", function: { name, description, parameters } };
}

function toolChoice({ tag, val }) {
  if (tag === "named") return { type: "function", function: { name: val } };
  const choice = { auto: "auto", any: "required", none: "none" }[tag];
  if (choice === undefined) throw unsupported(val);
  return choice;
}

/** One message of ours as one or several of the wire's: each tool result is one of its own. */
function wireMessages({ role, parts }) {
  const texts = [];
  const calls = [];
  const results = [];
  for (const { tag, val } of parts) {
    switch (tag) {
      case "text":
        texts.push(val);
        break;
      case "tool-call": {
        const call = { name: val.name, arguments: val.argumentsJson || "{}" };
        calls.push({ id: val.id, type: "function", function: call });
        break;
      }
      case "tool-result":
        results.push({ role: "tool", tool_call_id: val.callId, content: toolResultText(val) });
        break;
      case "thinking":
      case "redacted-thinking":
        break; // This wire does not take a model's thoughts back.
      default:
        throw unsupported("attachment");
    }
  }
  if (texts.length === 0 && calls.length === 0) return results;
  const message = { role: wireRole(role), content: texts.join("\n\n") };
  if (calls.length > 0) message.tool_calls = calls;
  return [...results, message];
}

function wireRole({ tag }) {
  const roles = { system: "system", developer: "system", user: "user", assistant: "assistant" };
  if (!(tag in roles)) throw unsupported("role");
  return roles[tag];
}

function toolResultText({ content, isError }) {
  const texts = content.map(({ tag, val }) => {
    if (tag !== "text" && tag !== "json") throw unsupported("attachment of a tool's result");
    return val;
  });
  // The wire has no flag for a tool that failed.
  return (isError ? "Error: " : "") + texts.join("\n");
}

// ---- The answer

/** Reads one answer, event by event. */
class Mapper {
  #text = new TextJoiner();
  #thinking = new TextJoiner();
  #calls = [];
  #usage = null;
  #reason = null;
  #id = null;
  #model = null;
  #started = false;

  onData(data, out) {
    if (data === "[DONE]") return true;
    const chunk = JSON.parse(data);
    const error = toldError(chunk);
    if (error !== null) throw error;
    if (!this.#started) {
      this.#started = true;
      [this.#id, this.#model] = [chunk.id ?? null, chunk.model ?? null];
      out.push({ tag: "started", val: { responseId: this.#id, model: this.#model, extras: [] } });
    }
    for (const choice of (chunk.choices ?? []).slice(0, 1)) {
      this.#onDelta(choice.delta ?? {}, out);
      this.#reason = choice.finish_reason ?? this.#reason;
    }
    if (chunk.usage) {
      this.#usage = usage(chunk.usage);
      out.push({ tag: "usage", val: this.#usage });
    }
    return false;
  }

  #onDelta(delta, out) {
    const thought = this.#thinking.push(delta.reasoning_content ?? "");
    if (thought) out.push({ tag: "thinking", val: thought });
    const text = this.#text.push(delta.content ?? "");
    if (text) out.push({ tag: "text", val: text });
    for (const { index, id, function: call } of delta.tool_calls ?? []) {
      if (index === this.#calls.length) {
        this.#calls.push("");
        out.push({ tag: "tool-call-start", val: { index, id, name: call.name, extras: [] } });
      }
      if (call?.arguments) {
        this.#calls[index] += call.arguments;
        const val = { index, argumentsJson: call.arguments };
        out.push({ tag: "tool-call-delta", val });
      }
    }
  }

  finish(out) {
    this.#calls.forEach((text, index) => {
      if (!text.trim()) out.push({ tag: "tool-call-delta", val: { index, argumentsJson: "{}" } });
      out.push({ tag: "tool-call-end", val: { index, signature: null, extras: [] } });
    });
    const reasons = { stop: "stop", length: "max-tokens", tool_calls: "tool-calls", content_filter: "content-filter" };
    const tag = reasons[this.#reason];
    return {
      reason: tag ? { tag } : { tag: "other", val: this.#reason ?? "unknown" },
      usage: this.#usage,
      responseId: this.#id,
      model: this.#model,
      extras: [],
    };
  }
}

/** The wire counts cached tokens within the prompt; our buckets hold every token once. */
function usage(counts) {
  const cached = counts.prompt_tokens_details?.cached_tokens ?? null;
  const reasoned = counts.completion_tokens_details?.reasoning_tokens ?? null;
  const without = (total, part) => (total == null ? null : Math.max(total - (part ?? 0), 0));
  return {
    input: without(counts.prompt_tokens, cached),
    cacheRead: cached,
    "cacheWrite5m": null,
    "cacheWrite1h": null,
    output: without(counts.completion_tokens, reasoned),
    reasoning: reasoned,
    uses: [],
    serviceTier: null,
    reportedCost: null,
    rawJson: JSON.stringify(counts),
    extras: [],
  };
}
