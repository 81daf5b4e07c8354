// A tool that counts, which models do badly.
//
// Every call runs in a fresh instance, so nothing survives from one to the next. What you change:
// `listTools` says what the tools take, `invoke` does it.

const COUNT = {
  type: "object",
  properties: {
    text: { type: "string", description: "The text" },
    find: { type: "string", description: "What to look for, as it is written; may be left out" },
  },
  required: ["text"],
  additionalProperties: false,
};

export const tool = {
  listTools() {
    return [
      {
        def: {
          name: "count",
          description:
            "Counts the characters, words and lines of a text exactly, and how often something occurs in it.",
          inputSchemaJson: JSON.stringify(COUNT),
          extras: [],
        },
        title: "Count",
        // Hints for the person's approval, never a permission.
        hints: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
        outputSchemaJson: null,
        extras: [],
      },
    ];
  },

  async invoke(call) {
    try {
      return result(call, count(JSON.parse(call.argumentsJson)));
    } catch (thrown) {
      if (thrown instanceof Told) return result(call, thrown.message, true);
      // A mistake of ours: the call failed, and the person is told.
      const unknown = { httpStatus: null, providerCode: null, providerRequestId: null, retryable: null };
      throw { kind: { tag: "internal" }, message: String(thrown), extras: [], ...unknown };
    }
  },
};

/** The tool ran and failed: the model reads the sentence and may do better. */
class Told extends Error {}

function count({ text, find }) {
  // The arguments are a model's: they need not follow the schema.
  if (text === undefined) throw new Told("text is missing.");
  if (typeof text !== "string") throw new Told("text must be a text.");
  // By code points: length counts an emoji as two.
  const characters = [...text].length;
  const words = text.split(/\s+/u).filter((word) => word !== "").length;
  const lines = text.split("\n").length - (text === "" || text.endsWith("\n") ? 1 : 0);
  const told = `${characters} characters, ${words} words, ${lines} lines.`;
  if (find === undefined) return told;
  if (typeof find !== "string" || find === "") throw new Told("find must not be empty.");
  return `${told} "${find}" occurs ${text.split(find).length - 1} times.`;
}

function result(call, text, isError = false) {
  return { callId: call.id, name: call.name, content: [{ tag: "text", val: text }], isError, extras: [] };
}
