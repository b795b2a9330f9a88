// The conversation as a tree: answers to one prompt are siblings, and so are the versions of an edited prompt.

export class Tree {
  constructor(id) {
    this.id = id;
    this.nodes = new Map(); // id → {id, role, text, parent, finish, model, vote}
    this.shown = new Map(); // parent ("" above the first) → id of the child that is shown
  }

  /** A new message, which is shown. */
  add(node) {
    this.nodes.set(node.id, node);
    this.shown.set(node.parent ?? "", node.id);
    return node;
  }

  get(id) {
    return this.nodes.get(id);
  }

  siblings(node) {
    return [...this.nodes.values()].filter((each) => each.parent === node.parent && each.role === node.role);
  }

  show(node) {
    this.shown.set(node.parent ?? "", node.id);
  }

  /** The messages that are shown, from the first on. */
  path() {
    const found = [];
    let at = this.shown.get("");
    while (at !== undefined && found.length < 10_000) {
      const node = this.nodes.get(at);
      if (!node) break;
      found.push(node);
      at = this.shown.get(at);
    }
    return found;
  }

  /** The messages from the first down to this one. */
  above(node) {
    const found = [];
    for (let at = node; at; at = at.parent === null ? undefined : this.nodes.get(at.parent)) found.unshift(at);
    return found;
  }

  /** Whether the way up from this message ends. */
  ends(node) {
    let steps = 0;
    for (let at = node; at.parent !== null; at = this.nodes.get(at.parent)) if (++steps > this.nodes.size) return false;
    return true;
  }

  toJSON() {
    // That the rest of an answer could not be had is true of one page view; the next one asks for it again.
    const nodes = [...this.nodes.values()].map((node) => (node.finish === "cut" ? { ...node, finish: undefined } : node));
    return { id: this.id, nodes, shown: [...this.shown] };
  }

  /** What toJSON made; null for anything else. */
  static from(said) {
    try {
      const tree = new Tree(String(said.id));
      for (const { id, role, text, parent = null, finish, model, vote } of said.nodes) {
        const known = (value) => value === undefined || typeof value === "string";
        if (typeof id !== "string" || typeof text !== "string" || !["user", "assistant"].includes(role)) return null;
        if (!known(finish) || !known(model) || ![undefined, -1, 0, 1].includes(vote)) return null;
        // A message stands below its parent: what is no tree is not read, it would be walked for ever.
        if (parent !== null && !said.nodes.some((each) => each.id === parent)) return null;
        tree.nodes.set(id, { id, role, text, parent, finish, model, vote });
      }
      if (![...tree.nodes.values()].every((node) => tree.ends(node))) return null;
      tree.shown = new Map(said.shown.filter(([at, id]) => tree.nodes.get(id) && (tree.nodes.get(id).parent ?? "") === at));
      return tree.nodes.size ? tree : null;
    } catch {
      return null;
    }
  }
}
