// Answers from the server, as they are written. Every failure is a sentence for the visitor.

const MOST_TURNS = 40;
const MOST_CHARS = 8_000; // of one message of the history, as the server takes it

/** What the server needs to know of the messages above a prompt, and of the prompt. */
export function history(nodes) {
  return nodes
    .slice(-MOST_TURNS)
    .map(({ role, text }) => ({ role, content: text.slice(0, MOST_CHARS).toWellFormed?.() ?? text.slice(0, MOST_CHARS) }))
    .filter((turn) => turn.content);
}

/**
 * One answer. `began(id)` is called with the message's id before its first word, `more(text so far)` as it grows.
 * Resolves with {finish, model}; rejects with an Error whose message is for the visitor.
 */
export async function answer(asked, { began, more, signal }) {
  const response = await reach("/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(asked),
    signal,
  });
  began(response.headers.get("x-unspoken-message"));
  return follow(response, more);
}

/** The whole of an answer that was being written when the page was left. */
export async function resume(message, user, mode, { more, signal }) {
  const path = `/chat/completions/${encodeURIComponent(message)}?${new URLSearchParams({ user, mode })}`;
  return follow(await reach(path, { signal }), more);
}

/** Stops an answer; whether the server knew of it. */
export async function stop(message, user) {
  try {
    const path = `/chat/completions/${encodeURIComponent(message)}?${new URLSearchParams({ user })}`;
    return (await fetch(path, { method: "DELETE", keepalive: true })).ok;
  } catch {
    return false;
  }
}

async function reach(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Is it still running? What you wrote is still here.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const detail = said.detail ?? said.error?.message ?? (typeof said.error === "string" ? said.error : "");
  const error = new Error(String(detail || `The server answered with status ${response.status}.`).slice(0, 600));
  error.status = response.status;
  throw error;
}

async function follow(response, more) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let text = "";
  let reason = null;
  let model;
  let done = false;
  const take = (line) => {
    if (!line.startsWith("data:")) return;
    const data = line.slice(5).trim();
    if (data === "[DONE]") {
      done = true;
      return;
    }
    const chunk = parsed(data);
    if (chunk?.error) throw new Error(String(chunk.error.message ?? "The answer broke off.").slice(0, 600));
    model = chunk?.model ?? model;
    const choice = chunk?.choices?.[0];
    if (typeof choice?.delta?.content === "string") text += choice.delta.content;
    reason = choice?.finish_reason ?? reason;
  };
  try {
    for (;;) {
      const { value, done: over } = await reader.read();
      if (over) break;
      rest += value;
      const lines = rest.split("\n");
      rest = lines.pop();
      const before = text.length;
      lines.forEach(take);
      if (text.length > before) more(text);
    }
  } catch (error) {
    if (error instanceof TypeError) throw new Error("The connection broke off in mid-answer.");
    throw error;
  }
  if (!done && !reason) throw new Error("The connection broke off in mid-answer.");
  return { finish: reason === "length" ? "length" : reason ? "complete" : "stopped", model, text };
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
