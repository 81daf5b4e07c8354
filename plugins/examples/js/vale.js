// What a provider needs beside its own wire: HTTP, errors, server-sent events, the pump.
// Nothing here knows a particular server: take it into your next plugin as it is.

import config from "valechat:host/config@0.1.0";
import http from "valechat:host/http@0.1.0";

const READ_BYTES = 64 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_EVENT_BYTES = 4 * 1024 * 1024;

/** The person's settings, as the schema in plugin.toml has them, defaults filled in. */
export function settings() {
  for (const { name, present, required } of config.credentials()) {
    if (required && !present) {
      const kind = { tag: "auth", val: { tag: "missing" } };
      throw failure(kind, `The credential "${name}" is not set; nothing was sent.`);
    }
  }
  return JSON.parse(config.get());
}

/** Wraps an exported function: a mistake of ours becomes an error that says where, not a bare trap. */
export function exported(work) {
  return async (...given) => {
    try {
      return await work(...given);
    } catch (thrown) {
      throw thrown instanceof Error ? internal(thrown) : thrown;
    }
  };
}

// ---- Errors: `throw` what these functions return.

export function failure(kind, message, more = {}) {
  const unknown = { httpStatus: null, providerCode: null, providerRequestId: null, retryable: null };
  return { kind, message, extras: [], ...unknown, ...more };
}

/** For a part of the request that the wire cannot say: refuse it, never leave it out silently. */
export function unsupported(what) {
  return failure({ tag: "unsupported", val: what }, `This provider cannot send "${what}".`);
}

/** For an answer that the wire does not allow. */
export function malformed(body, why = "") {
  let text = body.slice(0, 200).split(/\s+/).join(" ").trim().slice(0, 120) || "nothing at all";
  if (text.startsWith("<")) {
    text = "a web page. Check the address in the settings, and whether a proxy stands in between";
  }
  return failure({ tag: "malformed-response" }, `The server answered with ${text}${why && ` (${why})`}`);
}

export function truncated() {
  const kind = { tag: "network", val: { kind: { tag: "truncated" }, requestSent: true } };
  return failure(kind, "The server closed the answer before its end; what has arrived is kept.");
}

function internal({ name, message, stack }) {
  const place = String(stack).trim().split("\n")[0].trim();
  return failure({ tag: "internal" }, `The plugin failed with ${name}: ${message} (${place})`);
}

/** The host's own failure, handed on. */
function network({ kind, message, requestSent, extras }) {
  const told = kind.tag === "denied" ? { tag: "denied-by-policy" } : kind;
  return failure({ tag: "network", val: { kind: told, requestSent } }, message, { extras });
}

/** The failure that a JSON value tells of, or a reply of this status; null for neither. */
export function toldError(value, status = null, headers = [], text = "") {
  let told = value?.error ?? null;
  if (told === null && status === null) return null;
  told = typeof told === "object" ? (told ?? {}) : { message: told };
  const header = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const wait = Math.ceil(Number(header["retry-after"] || NaN) * 1000);
  const waitMs = wait >= 0 && wait < 1e12 ? wait : null;
  const code = String(told.code || told.type || "");
  const words = String(told.message || "").slice(0, 2000);
  const isPage = text.trimStart().startsWith("<") && status < 500 && status !== 401 && status !== 403 && status !== 429;
  const kind = isPage
    ? { tag: "malformed-response" }
    : errorKind(status, code, words.toLowerCase(), told, waitMs);
  return failure(kind, words || `HTTP ${status}. ${malformed(text).message}`, {
    httpStatus: status,
    providerCode: code || null,
    providerRequestId: header["x-request-id"] ?? null,
  });
}

/** What the server says counts before its status: gateways often get the status wrong. */
function errorKind(status, code, words, told, waitMs) {
  const saysTooLong = /context (length|size|window)/.test(words) && [null, 400, 413].includes(status);
  if (["context_length_exceeded", "exceed_context_size_error"].includes(code) || saysTooLong) {
    const count = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);
    const val = { limit: count(told.n_ctx), requested: count(told.n_prompt_tokens) };
    return { tag: "context-length", val };
  }
  const auth = (tag) => ({ tag: "auth", val: { tag } });
  if (status === 402 || code === "insufficient_quota") return auth("quota-exhausted");
  if (status === 401 || code === "invalid_api_key") return auth("invalid");
  if (status === 403) return auth("forbidden");
  if (status === 429 || code === "rate_limit_exceeded") {
    const val = { retryAfterMs: waitMs, scope: { tag: "other", val: "unknown" } };
    return { tag: "rate-limited", val };
  }
  if (status === 503 || status === 529 || code === "overloaded_error") {
    return { tag: "overloaded", val: waitMs };
  }
  if (code === "model_not_found" || (status === 404 && words.includes("model"))) {
    return { tag: "model-not-found" };
  }
  if (status >= 400 && status < 500) {
    return { tag: "invalid-request", val: typeof told.param === "string" ? told.param : null };
  }
  return { tag: "internal" };
}

// ---- HTTP, through the host. It adds the key; this code never sees it.

/** Sends a request, `body` as JSON. Throws unless the reply's status says success. */
export async function send(method, url, headers = [], body = undefined) {
  const request = { method: { tag: method }, url, headers, body: [], extras: [] };
  if (body !== undefined) {
    request.headers = [...headers, ["content-type", "application/json"]];
    request.body = [{ tag: "bytes", val: toUtf8(JSON.stringify(body)) }];
  }
  // Not `await http.send(…)`: that is a future of the contract, not a promise.
  const sent = await http.send(request).read();
  if (sent.tag === "err") throw network(sent.val);
  const reply = sent.val;
  if (reply.status < 200 || reply.status > 299) {
    const text = await read(reply, MAX_ERROR_BYTES);
    throw toldError(parsed(text), reply.status, reply.headers, text);
  }
  return reply;
}

/** What `reader` makes of the body's JSON. Throws for a body that is cut or of another shape. */
export async function readJson(reply, reader) {
  const text = await read(reply, MAX_BODY_BYTES);
  const end = await reply.end.read();
  if (end.tag === "err") throw network(end.val);
  try {
    return reader(JSON.parse(text));
  } catch (error) {
    throw malformed(text, error.message);
  }
}

async function read(reply, limit) {
  let bytes = "";
  for await (const chunk of reply.body) {
    bytes += byteString(chunk);
    if (bytes.length >= limit) break;
  }
  return fromUtf8(bytes);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The JavaScript engine in the component, QuickJS, has no TextEncoder and no TextDecoder. Bytes are
// held as a string of characters below 256, which `escape` and `unescape` turn into UTF-8 and back.

function toUtf8(text) {
  const bytes = unescape(encodeURIComponent(text.toWellFormed()));
  return Uint8Array.from(bytes, (byte) => byte.charCodeAt(0));
}

function byteString(chunk) {
  let bytes = "";
  // A call takes a limited number of arguments.
  for (let at = 0; at < chunk.length; at += 4096) {
    bytes += String.fromCharCode(...chunk.subarray(at, at + 4096));
  }
  return bytes;
}

function fromUtf8(bytes) {
  try {
    return decodeURIComponent(escape(bytes));
  } catch {
    return bytes.replace(/[\x80-\xff]+/g, "\ufffd");
  }
}

/** Cuts a body into events, wherever the network cut it; gives the data of each. */
export class Sse {
  #rest = "";
  #data = [];
  #afterReturn = false;
  /** Whether anything of a stream was seen at all. */
  isStream = false;

  push(chunk) {
    let bytes = byteString(chunk);
    if (this.#afterReturn && bytes.startsWith("\n")) bytes = bytes.slice(1);
    this.#afterReturn = bytes.endsWith("\r");
    const lines = (this.#rest + bytes).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    if (this.#rest.length > MAX_EVENT_BYTES) throw malformed(this.#rest);
    const found = [];
    for (const line of lines) {
      this.isStream ||= /^(data|event|id|retry)?:/.test(line);
      if (line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      } else if (line === "" && this.#data.length > 0) {
        found.push(fromUtf8(this.#data.join("\n")));
        this.#data = [];
      }
    }
    return found;
  }
}

/** Joins characters that a server cut in two: `\ud83d` in one event, `\ude00` in the next. */
export class TextJoiner {
  #held = "";

  push(piece) {
    const text = this.#held + piece;
    this.#held = /[\ud800-\udbff]$/.exec(text)?.[0] ?? "";
    return text.slice(0, text.length - this.#held.length).toWellFormed();
  }
}

// ---- The pump: from bytes to events.

/**
 * What `complete` returns: the events that the mapper makes, and how the answer ended.
 *
 * `mapper.onData(data, out)` appends events to `out` and returns true at the wire's end mark;
 * `mapper.finish(out)` appends the last ones and returns a finish. Both may throw errors.
 */
export function stream(reply, mapper) {
  const events = wit.Stream(wit.Stream.EVENT);
  const end = wit.Future(wit.Future.RESULT_FINISH_ERROR);
  pump(reply, mapper, events.writable, end.writable);
  return [events.readable, end.readable];
}

async function pump(reply, mapper, events, end) {
  const sse = new Sse();
  let head = "";
  let outcome = null;
  while (outcome === null) {
    const { done, value } = await reply.body.next();
    const batch = [];
    try {
      if (done) {
        outcome = await atEnd(reply, mapper, sse, batch, head);
      } else {
        if (head.length < READ_BYTES) head += byteString(value);
        outcome = run(mapper, sse.push(value), batch);
      }
    } catch (thrown) {
      outcome = { tag: "err", val: thrown instanceof Error ? internal(thrown) : thrown };
    }
    // One write for each read: a write costs far more than an event.
    if (batch.length > 0 && (await events.writeAll(batch)) < batch.length) return;
  }
  events.drop();
  await end.write(outcome);
  // A body that is read to its end lets the host keep the connection.
  while (outcome.tag === "ok" && !(await reply.body.next()).done);
}

/** Hands events to the mapper. Null: the answer goes on. */
function run(mapper, found, batch) {
  for (const data of found) {
    try {
      if (mapper.onData(data, batch)) return { tag: "ok", val: mapper.finish(batch) };
    } catch (thrown) {
      throw thrown instanceof Error ? malformed(data, thrown.message) : thrown;
    }
  }
  return null;
}

/** The body ended and no end mark was seen. Without one an answer is never whole. */
async function atEnd(reply, mapper, sse, batch, head) {
  const end = await reply.end.read();
  if (end.tag === "err") throw network(end.val);
  let whole;
  try {
    // The last event may lack its blank line, or be cut.
    whole = run(mapper, sse.push(new Uint8Array([10, 10])), batch);
  } catch (error) {
    throw error.kind.tag === "malformed-response" ? truncated() : error;
  }
  if (whole === null && !sse.isStream) {
    const text = fromUtf8(head);
    throw toldError(parsed(text)) ?? malformed(text);
  }
  if (whole === null) throw truncated();
  return whole;
}
