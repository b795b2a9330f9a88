// For those who listen: sentences as they are finished, each once, and one answer after the other.

const MOST = 5_000; // characters at once

export class Speech {
  constructor(place) {
    this.place = place;
    this.queue = []; // answers that are not read out to their end: {node, name, to, over}
  }

  /** An answer begins. The first of those that are written at once is read out first. */
  begin(node, name = "") {
    if (!this.of(node)) this.queue.push({ node, name, to: 0, over: null });
  }

  of(node) {
    return this.queue.find((each) => each.node === node);
  }

  /** Its text has grown. */
  more() {
    for (let head = this.queue[0]; head; head = this.queue[0]) {
      const rest = head.node.text.slice(head.to, head.to + MOST);
      const ends = [". ", "\n", "! ", "? "].map((end) => rest.lastIndexOf(end));
      const end = Math.max(...ends) + 1;
      if (head.over === null) {
        if (end > 0) this.utter(head, rest.slice(0, end), end);
        return;
      }
      this.utter(head, `${rest} ${head.over}`, rest.length);
      this.queue.shift();
    }
  }

  /** It has ended, and how. */
  end(node, how) {
    const ended = this.of(node);
    if (!ended) return;
    ended.over = how;
    this.more();
  }

  utter(head, text, chars) {
    const line = document.createElement("p");
    line.textContent = head.to === 0 && head.name ? `${head.name} answer: ${text}` : text;
    this.place.append(line);
    while (this.place.children.length > 5) this.place.firstChild.remove();
    head.to += chars;
  }
}
