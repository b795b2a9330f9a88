// The page /chat: sends prompts, shows the tree of answers, and tells the SDK what the visitor does with them.

import * as asking from "/chat/ask.js";
import { Answer, Prompt } from "/chat/bubbles.js";
import { Choice, draw } from "/chat/choice.js";
import { forget, newId, recall, remember } from "/chat/memory.js";
import { Panel } from "/chat/panel.js";
import { Recording } from "/chat/recording.js";
import { Screen } from "/chat/screen.js";
import { Tree } from "/chat/tree.js";

const MOST_CHARS = 8_000;
const panel = new Panel();
const screen = new Screen(MOST_CHARS);
const recording = new Recording(panel, (before) => changed(before));
const messages = document.getElementById("messages");
let tree = Tree.from(recall("tree")) ?? new Tree(newId());
let running = new Map(); // answers that are being written: node → {abort, stream, user, recorded, named}
let choice = null; // the two answers that wait for a choice
let bubbles = new Map(); // node → its Prompt or Answer

const acts = {
  get recorded() {
    return recording.on;
  },
  turn(node, step) {
    const all = tree.siblings(node);
    const to = all[all.indexOf(node) + step];
    if (!to) return;
    if (choice) skip();
    tree.show(to);
    recording.did((u) => u.select(to.id, { previous: node.id, displayed: all.at(-1).id }));
    render();
    bubbles.get(to)?.article.querySelector(step < 0 ? ".back" : ".next")?.focus();
    save();
  },
  again(node) {
    if (choice) skip();
    recording.did((u) => u.regenerate(node.id, { displayed: tree.siblings(node).at(-1).id }));
    if (running.has(node)) end(node, "stopped");
    ask(tree.get(node.parent));
  },
  edited(node, text) {
    if (!screen.fits(text)) return false;
    const prompt = { id: newId(), role: "user", text, parent: node.parent };
    skip();
    recording.did((u) => u.edit(node.id, prompt.id));
    ask(tree.add(prompt));
    return true;
  },
  voted(node, value, { reasons, comment }) {
    node.vote = value;
    const more = { ...(reasons?.length ? { reasons } : {}), ...(comment ? { comment } : {}) };
    recording.did((u) => u.vote(node.id, value, more));
    save();
  },
  async copied(node, text, part) {
    const done = await screen.copy(text);
    if (done) recording.did((u) => u.copy(node.id, { chars: [...text].length, part }));
    return done;
  },
};

screen.onsend = (text) => {
  skip();
  const last = tree.path().filter((node) => node.role === "assistant" && node.text).at(-1);
  ask(tree.add({ id: newId(), role: "user", text, parent: last?.id ?? null }), true);
};
screen.onstop = () => stopAll(true);
screen.onnew = () => begin();

/** Gets an answer to a prompt; now and then two of them, when the prompt is a `fresh` one. */
function ask(prompt, fresh = false) {
  screen.trouble("");
  const lot = fresh && recording.on ? draw() : null;
  const nodes = Array.from({ length: lot?.shown ? 2 : 1 }, () => ({
    id: newId(), // until the server has named it
    role: "assistant",
    text: "",
    parent: prompt.id,
  }));
  if (lot?.shown) {
    choice = new Choice(nodes, acts, (result) => decide(prompt, nodes, lot, result));
    choice.lot = lot;
    choice.nodes.forEach((node, i) => screen.speech.begin(node, i ? "Right" : "Left"));
    render();
  } else {
    tree.add(nodes[0]);
    render();
  }
  for (const node of nodes) write(prompt, node, lot);
  screen.follow();
}

function write(prompt, node, lot) {
  const turns = asking.history(tree.above(prompt));
  const asked = { messages: turns, mode: recording.mode };
  if (recording.on) {
    Object.assign(asked, { conversation: tree.id, prompt: prompt.id, user: recording.user, consent: recording.consent });
    if (prompt.parent !== null) asked.parent = prompt.parent;
    if (lot) asked.arm = { side_by_side: lot.shown ? "two" : "one" };
  }
  const work = { abort: new AbortController(), stream: null, user: recording.user, recorded: recording.on, named: false };
  return follow(node, work, (more) =>
    asking.answer(asked, { signal: work.abort.signal, began: (id) => named(node, id, work, prompt, lot), more }),
  );
}

const bubble = (node) => choice?.of(node) ?? bubbles.get(node);

/** Shows an answer as it comes, until it has ended one way or another. */
async function follow(node, work, request) {
  running.set(node, work);
  screen.busy(true);
  screen.speech.begin(node);
  const frame = screen.frames(() => {
    const shown = bubble(node)?.update() ?? "";
    work.stream?.text(shown);
    screen.speech.more();
    screen.follow();
  });
  let trouble;
  try {
    const told = await request((text) => {
      node.text = text;
      frame.soon();
    });
    node.finish ??= told.finish;
    node.model = told.model;
  } catch (error) {
    if (work.left) return; // the browser ended it with the page: that says nothing of the answer
    if (work.resumed) node.finish ??= "cut";
    else if (error.name !== "AbortError") trouble = error.message;
    node.finish ??= trouble ? "error" : "stopped";
    if (!work.resumed && (error.status === 401 || error.status === 403)) screen.trouble(trouble);
  }
  if (running.get(node) === work) running.delete(node);
  frame.now();
  bubble(node)?.state(trouble);
  work.stream?.finish(node.finish === "cut" ? "error" : node.finish);
  screen.busy(running.size > 0);
  screen.speech.end(node, trouble ?? (node.finish === "stopped" ? "Stopped." : "The answer is complete."));
  if (recording.on && work.named && !work.resumed) recording.logged("assistant", node.id, tree.id, node.parent);
  if (choice?.of(node)) settle();
  save();
}

/** The server has named the answer: from here on its events and ours speak of the same thing. */
function named(node, id, work, prompt, lot) {
  if (id) {
    rename(node, id);
    work.named = true;
  }
  if (work.ended) hangUp(node, work);
  if (!recording.on || !work.recorded) return;
  save();
  recording.logged("user", prompt.id, tree.id, prompt.parent);
  listen(node, work);
  if (work.pressed) recording.did((u) => u.stop(node.id));
  if (lot && !lot.shown) recording.solicit(node.id, lot, false);
}

/** The SDK watches the answer from here on. */
function listen(node, work) {
  const element = bubble(node)?.body ?? null;
  panel.written(node.id);
  work.stream = recording.did((u) => u.stream({ message: node.id, element, parent: node.parent }));
}

function rename(node, id) {
  if (tree.get(node.id) === node) {
    tree.nodes.delete(node.id);
    if (tree.shown.get(node.parent) === node.id) tree.shown.set(node.parent, id);
    node.id = id;
    tree.nodes.set(id, node);
  } else {
    node.id = id;
  }
}

/** Both answers of a choice have ended: it can be made, unless one of them failed. */
function settle() {
  choice.ready();
  const good = choice.nodes.filter((node) => node.text);
  if (choice.nodes.every((node) => node.finish !== undefined) && good.length < 2) {
    choice.end(null, false);
  }
}

function decide(prompt, nodes, lot, { chosen, tie, order }) {
  const good = nodes.filter((node) => node.text || running.has(node));
  for (const node of good.length ? good : nodes.slice(0, 1)) tree.add(node);
  const shown = chosen ?? order.find((node) => good.includes(node)) ?? nodes[0];
  tree.show(shown);
  recording.solicit(order[0].id, lot, Boolean(chosen || tie));
  const ids = order.map((node) => node.id);
  if (chosen) {
    const rejected = ids.filter((id) => id !== chosen.id);
    recording.did((u) => u.choice({ chosen: chosen.id, rejected, tie: false, order: ids }));
  } else if (tie) {
    recording.did((u) => u.choice({ rejected: ids, tie: true, order: ids }));
  }
  choice = null;
  render();
  screen.focus();
  save();
}

/** Whoever goes on without choosing has answered too. */
function skip() {
  stopAll();
  choice?.end(null, false);
}

function stopAll(pressed = false) {
  for (const node of [...running.keys()]) {
    const work = running.get(node);
    if (pressed && work.named) recording.did((u) => u.stop(node.id));
    work.pressed = pressed;
    end(node, "stopped");
  }
}

/** Ends an answer that is being written. */
function end(node, finish) {
  const work = running.get(node);
  node.finish = finish;
  work.ended = true;
  if (work.named || !work.recorded) {
    hangUp(node, work);
    return;
  }
  // The server has yet to say its name, and goes on writing and recording until it is told to stop by that name.
  running.delete(node);
  screen.busy(running.size > 0);
  bubble(node)?.state();
}

/** On the server, which keeps what there is; where that says nothing, by hanging up. */
async function hangUp(node, work) {
  if (!work.recorded || !(await asking.stop(node.id, work.user))) work.abort.abort();
}

function begin() {
  skip();
  tree = new Tree(newId());
  bubbles = new Map();
  recording.did((u) => u.conversation(tree.id));
  screen.trouble("");
  render();
  save();
  screen.focus();
}

/** Consent has changed. What was not recorded has no place in a recorded conversation, so a new one begins. */
function changed(before) {
  if (before === null) {
    restore();
  } else if ((before === "none") !== (recording.mode === "none")) {
    begin();
  }
  screen.focus();
}

function render() {
  const path = tree.path();
  const wanted = path.map((node) => {
    if (!bubbles.has(node)) {
      const made = node.role === "user" ? new Prompt(node, acts) : new Answer(node, acts);
      bubbles.set(node, made);
      if (made instanceof Answer && node.finish !== undefined && node.text) {
        recording.did((u) => u.show({ message: node.id, element: made.body, chars: [...made.rendered.shown].length }));
      } else if (running.get(node)?.resumed) {
        listen(node, running.get(node));
      }
    }
    const all = tree.siblings(node);
    bubbles.get(node).place(all.indexOf(node) + 1, all.length);
    return bubbles.get(node).article;
  });
  if (choice) wanted.push(choice.section);
  [...messages.children].forEach((child) => wanted.includes(child) || child.remove());
  wanted.forEach((child, i) => messages.children[i] !== child && messages.insertBefore(child, messages.children[i] ?? null));
  screen.empty(!wanted.length);
}

function save() {
  if (recording.on) remember("tree", tree);
}

/** After a reload: the same conversation, and the rest of an answer that was being written. */
function restore() {
  if (!recording.on) tree = new Tree(newId());
  recording.did((u) => u.conversation(tree.id));
  bubbles = new Map(); // those of before the visitor's choice was known have no votes, and nobody watches them
  render();
  for (const node of tree.nodes.values()) {
    if (node.role === "assistant" && node.finish === undefined && !running.has(node)) resume(node);
  }
  screen.follow(true);
}

function resume(node) {
  const work = { abort: new AbortController(), stream: null, user: recording.user, recorded: true, named: true, resumed: true };
  if (bubble(node)) listen(node, work);
  const { signal } = work.abort;
  return follow(node, work, (more) => asking.resume(node.id, work.user, recording.mode, { more, signal }));
}

addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  for (const [node, work] of [...running]) { // out of the back/forward cache: the server has gone on meanwhile
    work.abort.abort();
    resume(node);
  }
});
addEventListener("pagehide", () => {
  for (const work of running.values()) work.left = true;
  save();
  if (choice) recording.solicit(choice.nodes[0].id, choice.lot, false); // left without choosing
});

try {
  render();
} catch (error) {
  console.warn("The conversation of before cannot be shown.", error);
  forget("tree");
  tree = new Tree(newId());
  bubbles = new Map();
  render();
}
recording.begin();
