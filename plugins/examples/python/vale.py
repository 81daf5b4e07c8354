"""What a provider needs beside its own wire: HTTP, errors, server-sent events, the pump.

Nothing here knows a particular server: take it into your next plugin as it is. Whatever is needed of
Python's library is imported at the top of a file, because the component is a snapshot taken after the
imports: when it runs there are no files to import from.
"""

import json
import re
import sys

import wit_world
from componentize_py_async_support import spawn
from componentize_py_types import Err, Ok
from wit_world.imports import config, errors, http, log

READ_BYTES = 64 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_EVENT_BYTES = 4 * 1024 * 1024
# What reading a JSON value of another shape than expected raises.
ODD_SHAPE = (ValueError, TypeError, LookupError, AttributeError)


def settings():
    """The person's settings, as the schema in plugin.toml has them, defaults filled in."""
    for credential in config.credentials():
        if credential.required and not credential.present:
            kind = errors.ErrorKind_Auth(errors.AuthKind_Missing())
            raise failure(kind, f'The credential "{credential.name}" is not set; nothing was sent.')
    return json.loads(config.get())


def into_the_log(kind, value, place):
    """There is no stderr. An exception that nobody caught ends the call as a fault; the log says why."""
    lines = []
    while place is not None:
        lines.append(f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}")
        place = place.tb_next
    log.log(log.Level.ERROR, f"{kind.__name__}: {value} ({' > '.join(lines)})")


sys.excepthook = into_the_log


# ---- Errors: `raise` what these functions return.


def failure(kind, message, http_status=None, code=None, request_id=None, extras=()):
    return Err(errors.Error(kind, message, http_status, code, request_id, None, list(extras)))


def unsupported(what):
    """For a part of the request that the wire cannot say: refuse it, never leave it out silently."""
    return failure(errors.ErrorKind_Unsupported(what), f'This provider cannot send "{what}".')


def malformed(body):
    """For an answer that the wire does not allow."""
    text = " ".join(body[:200].decode("utf-8", "replace").split())[:120] or "nothing at all"
    if text.startswith("<"):
        text = "a web page. Check the address in the settings, and whether a proxy stands in between"
    return failure(errors.ErrorKind_MalformedResponse(), f"The server answered with {text}")


def truncated():
    kind = errors.NetworkFailure(errors.NetworkKind_Truncated(), True)
    message = "The server closed the answer before its end; what has arrived is kept."
    return failure(errors.ErrorKind_Network(kind), message)


def network(error):
    """The host's own failure, handed on."""
    name = type(error.kind).__name__.removeprefix("Kind_")
    kind = getattr(errors, "NetworkKind_" + {"Denied": "DeniedByPolicy"}.get(name, name))
    kind = kind(error.kind.value) if name == "Other" else kind()
    kind = errors.ErrorKind_Network(errors.NetworkFailure(kind, error.request_sent))
    return failure(kind, error.message, extras=error.extras)


def told_error(body, status=None, headers=()):
    """The failure that a body tells of; None for a body without one and no status."""
    try:
        told = (json.loads(body) if isinstance(body, bytes) else body)["error"]
        told = told if isinstance(told, dict) else {"message": told}
    except ODD_SHAPE:
        told = {}
    if not told and status is None:
        return None
    header = {name.lower(): value for name, value in headers}
    wait = header.get("retry-after", "")
    wait_ms = int(float(wait) * 1000) if re.fullmatch(r"\d{1,9}(\.\d+)?", wait) else None
    code = str(told.get("code") or told.get("type") or "")
    words = str(told.get("message") or "")[:2000]
    kind = error_kind(status, code, words.lower(), told, wait_ms)
    if status is not None and not told and body.lstrip().startswith(b"<") and status < 500:
        kind = errors.ErrorKind_MalformedResponse()
    message = words or f"HTTP {status}. {malformed(body).value.message}"
    return failure(kind, message, status, code or None, header.get("x-request-id"))


def error_kind(status, code, words, told, wait_ms):
    """What the server says counts before its status: gateways often get the status wrong."""
    if code in ("context_length_exceeded", "exceed_context_size_error") or (
        status in (None, 400, 413) and re.search("context (length|size|window)", words)
    ):
        limit, asked = told.get("n_ctx"), told.get("n_prompt_tokens")
        known = isinstance(limit, int) and isinstance(asked, int) and min(limit, asked) >= 0
        limits = errors.ContextLimit(limit, asked) if known else errors.ContextLimit(None, None)
        return errors.ErrorKind_ContextLength(limits)
    if status == 402 or code == "insufficient_quota":
        return errors.ErrorKind_Auth(errors.AuthKind_QuotaExhausted())
    if status == 401 or code == "invalid_api_key":
        return errors.ErrorKind_Auth(errors.AuthKind_Invalid())
    if status == 403:
        return errors.ErrorKind_Auth(errors.AuthKind_Forbidden())
    if status == 429 or code == "rate_limit_exceeded":
        limit = errors.RateLimit(wait_ms, errors.LimitScope_Other("unknown"))
        return errors.ErrorKind_RateLimited(limit)
    if status in (503, 529) or code == "overloaded_error":
        return errors.ErrorKind_Overloaded(wait_ms)
    if code == "model_not_found" or (status == 404 and "model" in words):
        return errors.ErrorKind_ModelNotFound()
    if status is not None and 400 <= status < 500:
        param = told.get("param")
        return errors.ErrorKind_InvalidRequest(param if isinstance(param, str) else None)
    return errors.ErrorKind_Internal()


# ---- HTTP, through the host. It adds the key; this code never sees it.


async def send(method, url, headers=(), body=None):
    """Sends a request, `body` as JSON. Raises unless the reply's status says success."""
    headers, parts = list(headers), []
    if body is not None:
        headers.append(("content-type", "application/json"))
        parts.append(http.BodyPart_Bytes(json.dumps(body).encode()))
    reply = await http.send(http.Request(method, url, headers, parts, [])).read()
    if isinstance(reply, Err):
        raise network(reply.value)
    reply = reply.value
    if not 200 <= reply.status < 300:
        raise told_error(await read(reply, MAX_ERROR_BYTES), reply.status, reply.headers)
    return reply


async def read(reply, limit):
    """The body, or its first `limit` bytes."""
    pieces, size = [], 0
    with reply.body as body:
        while not body.writer_dropped and size < limit:
            pieces.append(await body.read(READ_BYTES))
            size += len(pieces[-1])
    return b"".join(pieces)[:limit]


async def read_json(reply, reader):
    """What `reader` makes of the body's JSON. Raises for a body that is cut or of another shape."""
    body = await read(reply, MAX_BODY_BYTES)
    end = await reply.end.read()
    if isinstance(end, Err):
        raise network(end.value)
    try:
        return reader(json.loads(body))
    except ODD_SHAPE:
        raise malformed(body) from None


class Sse:
    """Cuts a body into events, wherever the network cut it; gives the data of each."""

    LINE_END = re.compile(rb"\r\n|\n|\r")
    FIELD = re.compile(rb"(data|event|id|retry)?:")

    def __init__(self):
        self.rest, self.data, self.after_cr = b"", [], False
        # Whether anything of a stream was seen at all.
        self.is_stream = False

    def push(self, chunk):
        if self.after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self.after_cr = chunk.endswith(b"\r")
        *lines, self.rest = self.LINE_END.split(self.rest + chunk)
        if len(self.rest) > MAX_EVENT_BYTES:
            raise malformed(self.rest)
        found = []
        for line in lines:
            self.is_stream = self.is_stream or self.FIELD.match(line) is not None
            if line.startswith(b"data:"):
                self.data.append(line[5:].removeprefix(b" "))
            elif not line and self.data:
                found.append(b"\n".join(self.data))
                self.data = []
        return found


class TextJoiner:
    """Joins characters that a server cut in two: `\\ud83d` in one event, `\\ude00` in the next."""

    PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
    LONE = re.compile("[\ud800-\udfff]")

    def __init__(self):
        self.held = ""

    def push(self, piece):
        text = self.PAIR.sub(self.join, self.held + piece)
        self.held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return self.LONE.sub("\ufffd", text[: len(text) - len(self.held)])

    @staticmethod
    def join(pair):
        return chr(0x10000 + ((ord(pair[1]) & 0x3FF) << 10) + (ord(pair[2]) & 0x3FF))


# ---- The pump: from bytes to events.


def stream(reply, mapper):
    """What `complete` returns: the events that the mapper makes, and how the answer ended.

    `mapper.on_data(data, out)` appends events to `out` and returns True at the wire's end mark;
    `mapper.finish(out)` appends the last ones and returns a `Finish`. Both may raise errors.
    """
    events_out, events = wit_world.stream_types_event_stream()
    silent = failure(errors.ErrorKind_Internal(), "The plugin did not say how the answer ended.")
    end_out, end = wit_world.result_stream_types_finish_errors_error_future(lambda: silent)
    spawn(pump(reply, mapper, events_out, end_out))
    return events, end


async def pump(reply, mapper, events_out, end_out):
    sse, head, outcome = Sse(), b"", None
    with reply.body as body:
        with events_out:
            while outcome is None:
                chunk, batch = await body.read(READ_BYTES), []
                head += chunk[: READ_BYTES - len(head)]
                try:
                    outcome = run(mapper, sse.push(chunk), batch)
                    if outcome is None and body.writer_dropped:
                        outcome = await at_end(reply, mapper, sse, batch, head)
                except Err as error:
                    outcome = error
                except Exception:
                    into_the_log(*sys.exc_info())
                    raise
                # One write for each read: a write costs far more than an event.
                if await events_out.write_all(batch) < len(batch):
                    return
        await end_out.write(outcome)
        # A body that is read to its end lets the host keep the connection.
        while isinstance(outcome, Ok) and not body.writer_dropped:
            await body.read(READ_BYTES)


def run(mapper, found, batch):
    """Hands events to the mapper. None: the answer goes on."""
    for data in found:
        try:
            if mapper.on_data(data, batch):
                return Ok(mapper.finish(batch))
        except ODD_SHAPE:
            # It may be the server's mistake or one in the mapper; the log has the line.
            into_the_log(*sys.exc_info())
            raise malformed(data) from None
    return None


async def at_end(reply, mapper, sse, batch, head):
    """The body ended and no end mark was seen. Without one an answer is never whole."""
    end = await reply.end.read()
    if isinstance(end, Err):
        return network(end.value)
    try:
        # The last event may lack its blank line, or be cut.
        whole = run(mapper, sse.push(b"\n\n"), batch)
    except Err as error:
        is_cut = isinstance(error.value.kind, errors.ErrorKind_MalformedResponse)
        return truncated() if is_cut else error
    if whole is None and not sse.is_stream:
        return told_error(head) or malformed(head)
    return whole or truncated()
