// A small chatbot's page, as its maker would write it: siblings of one prompt, of which one is shown.
// What it is to do stands in its address, so that a test can choose: see product.py.
const wanted = new URLSearchParams(location.search);
const at = (id) => document.getElementById(id);
const tree = { answers: [], shown: -1, made: 0 };
const watched = { events: [], seen: [] };
window.watched = watched; // for whoever debugs a test

let unspoken = null;
if (wanted.get("collector")) {
  const { init } = await import(`${wanted.get("collector")}/sdk/unspoken.js`);
  unspoken = init({
    key: wanted.get("key"),
    conversation: wanted.get("conversation") ?? "c1",
    user: wanted.get("user") ?? "ann",
    onEvent: (event, state) => watched.events.push([event.kind, state, event.n]),
  });
}
window.unspoken = unspoken;

async function answer() {
  const name = `${wanted.get("conversation") ?? "c1"}-a${(tree.made += 1)}`;
  const element = document.createElement("article");
  element.id = name;
  at("answers").append(element);
  const one = { name, element, stopping: new AbortController(), ended: "" };
  tree.answers.push(one);
  show(tree.answers.length - 1);
  const hook = unspoken?.stream({ message: name, element });
  const asked = `/stream?chunks=${wanted.get("chunks") ?? 1200}&every_ms=${wanted.get("every_ms") ?? 25}`;
  try {
    const response = await fetch(asked, { signal: one.stopping.signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      element.append(decoder.decode(part.value, { stream: true }));
      const soFar = element.textContent;
      const start = performance.now();
      hook?.text(soFar);
      if (wanted.get("measured")) performance.measure("hook", { start });
    }
    one.ended = "complete";
  } catch {
    one.ended = one.stopping.signal.aborted ? "stopped" : "error";
  }
  hook?.finish(one.ended);
  element.dataset.ended = one.ended;
}

function show(place) {
  tree.shown = place;
  tree.answers.forEach((one, index) => (one.element.hidden = index !== place));
  at("place").textContent = `${place + 1}/${tree.answers.length}`;
}

function turn(step) {
  const place = tree.shown + step;
  if (!tree.answers[place]) return;
  const previous = tree.answers[tree.shown].name;
  show(place);
  unspoken?.select(tree.answers[place].name, { previous, displayed: tree.answers.at(-1).name });
}

at("ask").addEventListener("click", () => void answer());
at("again").addEventListener("click", () => {
  const shown = tree.answers[tree.shown];
  unspoken?.regenerate(shown.name, { displayed: shown.name });
  shown.stopping.abort();
  void answer();
});
at("stop").addEventListener("click", () => {
  const shown = tree.answers[tree.shown];
  unspoken?.stop(shown.name);
  shown.stopping.abort();
});
at("up").addEventListener("click", () => unspoken?.vote(tree.answers[tree.shown].name, 1));
at("back").addEventListener("click", () => turn(-1));
at("forth").addEventListener("click", () => turn(1));
addEventListener("pageshow", (event) => {
  if (event.persisted) document.documentElement.dataset.restored = "yes";
});
// The habit of old code that keeps a page out of the back/forward cache.
if (wanted.get("uncached")) addEventListener("unload", () => {});
// What a page without an SDK would do, to compare with.
if (wanted.get("farewell")) {
  addEventListener("pagehide", () => void fetch(`/farewell?of=${wanted.get("conversation")}`, { method: "POST" }));
}
if (wanted.get("ask")) void answer();
document.documentElement.dataset.ready = "yes";
