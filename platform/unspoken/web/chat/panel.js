// What the page sends, as it sends it, in words: so that a visitor sees what is recorded.

import { recall, remember } from "/chat/memory.js";

const MOST = 200; // lines; the oldest go
const STATED = ["vote", "rating", "choice", "solicit"];
const MEANS = {
  message: (event) => (event.role === "user" ? "what you wrote, logged by the server" : "what the model wrote, logged by the server"),
  vote: (event) => (event.value > 0 ? "thumbs up" : event.value < 0 ? "thumbs down" : "your vote, taken back") + (event.reasons?.length || event.comment ? ", with reasons" : ""),
  choice: (event) => (event.tie ? "both are about the same" : "one of two answers, and which stood where"),
  solicit: (event) => (event.shown ? "you were asked to choose: the lot fell on this prompt" : "you were not asked to choose: the lot, too, is data"),
  expose: (event, shown) =>
    shown === "again" ? "it is on your screen again" : shown === "written" ? "its first word came on your screen" : "it is on your screen",
  heartbeat: () => "it is still there: if these stop, you have left",
  view: (event) => `it was on the screen for ${Math.round((event.visible_ms ?? 0) / 1000)} s`,
  regenerate: () => "you wanted another answer",
  stop: () => "you stopped it",
  close: () => "you left the page",
  hide: () => "you looked at something else",
  return: () => "you came back",
  pause: (event) => `no movement for ${Math.round((event.ms ?? 0) / 1000)} s`,
  copy: (event) => `you copied ${event.chars ?? "some"} characters`,
  select: () => "you went to another version",
  edit: () => "you changed your prompt",
  share: () => "you shared it",
};
const STATES = { queued: "waiting", sent: "sent", refused: "refused", dropped: "not sent" };

export class Panel {
  constructor() {
    this.panel = document.getElementById("panel");
    this.list = document.getElementById("events");
    this.button = document.getElementById("watch");
    this.lines = new Map(); // event id → its line
    this.begun = new Set(); // ids of what this page itself told; the rest is of the one before
    this.shown = new Map(); // message → "written" by this page, or "again" once it has been on the screen
    this.beats = new Map(); // message → the one line of its heartbeats: there are many of them
    this.button.addEventListener("click", () => this.toggle(this.panel.hidden));
    document.getElementById("unwatch").addEventListener("click", () => {
      this.toggle(false);
      this.button.focus();
    });
    this.toggle(recall("panel") === true && matchMedia("(min-width: 1000px)").matches, false);
  }

  toggle(open, kept = true) {
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("watched", open);
    if (kept) remember("panel", open);
  }

  /** Where nothing is recorded there are no colours to explain. */
  silent(yes) {
    this.panel.querySelector(".legend").hidden = yes;
    this.list.hidden = yes;
  }

  /** An answer begins to be written here. */
  written(message) {
    this.shown.set(message, "written");
  }

  note(text, who) {
    document.getElementById("panel-note").textContent = text;
    document.getElementById("who").textContent = who;
  }

  /** The SDK's word of an event; the same event again has another state. */
  event(event, state) {
    const known = this.lines.get(event.id);
    if (known) {
      mark(known, state);
      return;
    }
    if (state === "queued" || event.kind === "message") this.begun.add(event.id);
    else if (!this.begun.has(event.id)) return; // a page that ended left it behind, or its line is gone
    const beat = event.kind === "heartbeat" && this.beats.get(event.message);
    if (beat && !beat.line.hasAttribute("data-gone")) {
      beat.times += 1;
      beat.line.querySelector(".kind").textContent = `heartbeat × ${beat.times}`;
      beat.event = event;
      mark(beat.line, state);
      this.lines.set(event.id, beat.line);
      return;
    }
    const line = document.getElementById("t-event").content.firstElementChild.cloneNode(true);
    line.classList.add(event.kind === "message" ? "messages" : STATED.includes(event.kind) ? "stated" : "revealed");
    line.querySelector(".kind").textContent = event.kind;
    line.querySelector(".means").textContent = MEANS[event.kind]?.(event, this.shown.get(event.message)) ?? "";
    if (event.kind === "expose") this.shown.set(event.message, "again");
    const shown = { line, event, times: 1 };
    line.querySelector("details").addEventListener("toggle", () => {
      line.querySelector("pre").textContent = JSON.stringify(shown.event, null, 1).slice(0, 4_000);
    });
    if (event.kind === "heartbeat") this.beats.set(event.message, shown);
    mark(line, state);
    this.lines.set(event.id, line);
    this.list.prepend(line);
    if (this.list.children.length > MOST) this.forget(this.list.lastElementChild);
  }

  forget(line) {
    line.setAttribute("data-gone", "");
    line.remove();
    for (const [id, each] of this.lines) if (each === line) this.lines.delete(id);
  }
}

function mark(line, state) {
  line.dataset.state = state;
  line.querySelector(".state").textContent = STATES[state] ?? state;
}
