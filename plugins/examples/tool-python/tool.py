"""A tool that counts, which models do badly.

Every call runs in a fresh instance, so nothing survives from one to the next. What you change:
`list_tools` says what the tools take, `invoke` does it. Whatever is needed of Python's library is imported
at the top of a file, because the component is a snapshot taken after the imports.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import tool
from wit_world.imports import chat, errors

COUNT = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "The text"},
        "find": {"type": "string", "description": "What to look for, as it is written; may be left out"},
    },
    "required": ["text"],
    "additionalProperties": False,
}


class Told(Exception):
    """The tool ran and failed: the model reads the sentence and may do better."""


class Tool(exports.Tool):
    def list_tools(self):
        about = "Counts the characters, words and lines of a text exactly, and how often something occurs in it."
        definition = chat.ToolDef("count", about, json.dumps(COUNT), [])
        # Hints for the person's approval, never a permission.
        hints = tool.Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
        return [tool.Described(definition, "Count", hints, None, [])]

    async def invoke(self, call):
        try:
            return result(call, count(json.loads(call.arguments_json)))
        except Told as told:
            return result(call, str(told), True)
        except Exception as mistake:
            # A mistake of ours: the call failed, and the person is told.
            message = f"{type(mistake).__name__}: {mistake}"
            raise Err(errors.Error(errors.ErrorKind_Internal(), message, None, None, None, None, [])) from mistake


def count(arguments):
    # The arguments are a model's: they need not follow the schema.
    text, find = arguments.get("text"), arguments.get("find")
    if "text" not in arguments:
        raise Told("text is missing.")
    if not isinstance(text, str):
        raise Told("text must be a text.")
    lines = text.count("\n") + (1 if text and not text.endswith("\n") else 0)
    told = f"{len(text)} characters, {len(text.split())} words, {lines} lines."
    if "find" not in arguments:
        return told
    if not isinstance(find, str) or not find:
        raise Told("find must not be empty.")
    return f'{told} "{find}" occurs {text.count(find)} times.'


def result(call, text, is_error=False):
    return chat.ToolResult(call.id, call.name, [chat.ResultPart_Text(text)], is_error, [])
