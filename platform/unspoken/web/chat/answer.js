// A model's text as paragraphs, lists and code. Nodes are built one by one and texts are set as text: whatever a model
// writes, none of it can become markup. Links stay text. Only the block that still grows is built again as text comes.

const SHOWN = 20_000; // characters on the page at first; more on demand, so that a megabyte does not freeze it
const SHOWN_LINES = 2_000; // and lines, each of which may be an item of a list
const INLINE = /`([^`\n]{1,500})`|\*\*([^*\n]{1,500})\*\*|(?<![\w*])\*([^*\s][^*\n]{0,500})\*(?![\w*])/g;
const CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g; // they reorder what stands around them: in code, a known trick
const LIST = /^\s{0,8}(?:([-*+•])|(\d{1,9})[.)])\s+(.*)$/;

export class Rendered {
  constructor(element, { copied } = {}) {
    this.element = element;
    this.copied = copied ?? (() => {});
    this.most = SHOWN;
    this.mostLines = SHOWN_LINES;
    this.clear();
  }

  clear() {
    this.element.replaceChildren();
    this.text = "";
    this.stable = 0; // characters whose nodes are final
    this.loose = null; // {node, block} of the one that still grows
    this.rest = null;
  }

  /** How much of the text is on the page. */
  get length() {
    let end = -1;
    for (let line = 0; line < this.mostLines; line++) {
      end = this.text.indexOf("\n", end + 1);
      if (end < 0 || end >= this.most) return Math.min(this.text.length, this.most);
    }
    return end;
  }

  /** What of the text is on the page. */
  get shown() {
    return this.text.slice(0, this.length);
  }

  set(text) {
    if (!text.startsWith(this.text.slice(-200), Math.max(0, this.text.length - 200))) this.clear();
    const before = this.length;
    this.text = text;
    if (this.length !== before) this.build();
    this.offerRest();
  }

  build() {
    const found = blocks(this.text.slice(this.stable, this.length));
    const kept = this.loose && found[0] && grown(this.loose, found[0]);
    if (!kept) this.loose?.node.remove();
    const nodes = found.map((block, i) => (kept && !i ? this.loose.node : this.node(block)));
    this.element.append(...nodes.slice(kept ? 1 : 0));
    if (this.rest) this.element.append(this.rest);
    this.loose = found.length ? { node: nodes.at(-1), block: found.at(-1) } : null;
    if (found.length > 1) this.stable += found.at(-1).start;
  }

  offerRest() {
    const hidden = this.text.length - this.length;
    if (!hidden) {
      this.rest?.remove();
      this.rest = null;
      return;
    }
    if (!this.rest) {
      this.rest = element("button", { type: "button", className: "quiet rest" });
      this.rest.addEventListener("click", () => {
        this.most += SHOWN;
        this.mostLines += SHOWN_LINES;
        this.build();
        this.offerRest();
      });
      this.element.append(this.rest);
    }
    this.rest.textContent = `Show more (${hidden.toLocaleString("en")} characters are left)`;
  }

  node(block) {
    if (block.kind === "code") return this.code(block);
    if (block.kind === "list") {
      const list = element(block.ordered ? "ol" : "ul", { dir: "auto" });
      if (block.ordered && block.first > 1) list.start = block.first;
      list.append(...block.items.map((item) => inline(element("li", { dir: "auto" }), item)));
      return list;
    }
    const tag = block.kind === "quote" ? "blockquote" : "p";
    return inline(element(tag, { dir: "auto", className: block.kind === "heading" ? "heading" : "" }), block.text);
  }

  code(block) {
    const frame = element("div", { className: "code" });
    const button = element("button", { type: "button", className: "quiet small", textContent: "Copy code" });
    button.addEventListener("click", () => this.copied(block.text, button));
    const pre = element("pre", { tabIndex: 0, dir: "ltr" });
    pre.append(plain(block.text));
    const head = element("p", { className: "code-head" });
    head.append(element("bdi", { textContent: block.language || "code" }), button);
    frame.append(head, pre);
    return frame;
  }
}

/** Whether a list that is on the page only had to grow: a long one takes too long to be built again with each word. */
function grown({ node, block }, now) {
  if (block.kind !== "list" || now.kind !== "list" || block.ordered !== now.ordered || block.first !== now.first) return false;
  const last = block.items.length - 1;
  if (now.items.length <= last) return false;
  if (now.items[last] !== block.items[last]) {
    node.children[last].replaceChildren();
    inline(node.children[last], now.items[last]);
  }
  node.append(...now.items.slice(last + 1).map((item) => inline(element("li", { dir: "auto" }), item)));
  return true;
}

/** Blocks of a text, each with the place where it starts. */
export function blocks(text) {
  const found = [];
  let open = null;
  let at = 0;
  for (const line of text.split("\n")) {
    const start = at;
    at += line.length + 1;
    if (open?.kind === "code") {
      if (/^\s{0,3}(```|~~~)\s*$/.test(line)) open = null;
      else open.text += (open.fresh ? "" : "\n") + line;
      if (open) open.fresh = false;
      continue;
    }
    const fence = line.match(/^\s{0,3}(?:```|~~~)\s*([\w+#.-]{0,30})\s*$/);
    if (fence) {
      found.push((open = { kind: "code", language: fence[1], text: "", start, fresh: true }));
      continue;
    }
    if (!line.trim()) {
      open = null;
      continue;
    }
    const head = line.length < 300 && line.match(/^#{1,6}\s+(.*)$/);
    if (head) {
      found.push({ kind: "heading", text: head[1], start });
      open = null;
      continue;
    }
    const item = line.length < 5_000 && line.match(LIST);
    if (item) {
      const ordered = item[2] !== undefined;
      if (open?.kind !== "list" || open.ordered !== ordered) {
        found.push((open = { kind: "list", ordered, first: Number(item[2] ?? 1), items: [], start }));
      }
      open.items.push(item[3]);
      continue;
    }
    if (open?.kind === "list") {
      open.items[open.items.length - 1] += `\n${line.trim()}`;
      continue;
    }
    const quoted = line.startsWith(">");
    const kind = quoted ? "quote" : "text";
    if (open?.kind !== kind) found.push((open = { kind, text: "", start }));
    open.text += (open.text ? "\n" : "") + (quoted ? line.replace(/^>\s?/, "") : line);
  }
  return found;
}

function inline(into, text) {
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    into.append(text.slice(at, match.index));
    const [whole, code, bold, slanted] = match;
    const tag = code !== undefined ? "code" : bold !== undefined ? "strong" : "em";
    const part = element(tag);
    part.append(code !== undefined ? plain(code) : bold ?? slanted);
    into.append(part);
    at = match.index + whole.length;
  }
  into.append(text.slice(at));
  return into;
}

/** Code as text, with the invisible characters that reorder it made visible. */
function plain(text) {
  const made = document.createDocumentFragment();
  let at = 0;
  for (const match of text.matchAll(CONTROLS)) {
    const name = `U+${match[0].charCodeAt(0).toString(16).toUpperCase()}`;
    made.append(text.slice(at, match.index), element("mark", { className: "control", textContent: name }));
    at = match.index + 1;
  }
  made.append(text.slice(at));
  return made;
}

export function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}
