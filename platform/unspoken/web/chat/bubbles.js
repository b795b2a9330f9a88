// One message on the page: its text, what ended it, its siblings, and what can be done with it.

import { Rendered } from "/chat/answer.js";
import { Votes } from "/chat/vote.js";

const ENDS = {
  stopped: "You stopped it here.",
  length: "It ends here: the answer reached its longest length.",
  cut: "This answer was cut off.",
};

const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** What both kinds of messages have: the arrows between siblings. */
class Message {
  constructor(template, node, acts) {
    this.node = node;
    this.acts = acts;
    this.article = copyOf(template);
    this.article.querySelector(".back")?.addEventListener("click", () => acts.turn(this.node, -1));
    this.article.querySelector(".next")?.addEventListener("click", () => acts.turn(this.node, 1));
  }

  place(number, of) {
    this.article.querySelector(".siblings").hidden = of < 2;
    this.article.querySelector(".place").textContent = `${number}/${of}`;
    this.article.querySelector(".back").disabled = number <= 1;
    this.article.querySelector(".next").disabled = number >= of;
  }
}

export class Prompt extends Message {
  constructor(node, acts) {
    super("t-user", node, acts);
    this.body = this.article.querySelector(".body");
    this.body.dir = "auto";
    new Rendered(this.body).set(node.text);
    this.article.querySelector(".edit").addEventListener("click", () => this.edit());
  }

  edit() {
    const form = copyOf("t-edit");
    const field = form.querySelector("textarea");
    field.value = this.node.text;
    const close = () => {
      form.replaceWith(this.body);
      this.article.classList.remove("is-editing");
      this.article.querySelector(".edit").focus();
    };
    form.querySelector(".cancel").addEventListener("click", close);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text === this.node.text.trim()) close();
      else if (this.acts.edited(this.node, text)) close();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !matchMedia("(pointer: coarse)").matches) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.article.classList.add("is-editing");
    this.body.replaceWith(form);
    field.focus();
  }
}

export class Answer extends Message {
  constructor(node, acts, template = "t-assistant") {
    super(template, node, acts);
    this.body = this.article.querySelector(".body");
    this.wait = this.article.querySelector(".wait");
    this.ended = this.article.querySelector(".ended");
    this.rendered = new Rendered(this.body, { copied: (text, button) => this.copyCode(text, button) });
    if (template === "t-assistant") {
      this.article.querySelector(".copy").addEventListener("click", (event) => this.copyAll(event.currentTarget));
      this.article.querySelector(".again").addEventListener("click", () => acts.again(this.node));
      this.article.querySelector(".votes").hidden = !acts.recorded;
      this.votes = new Votes(this.article, node.vote, (value, more) => acts.voted(this.node, value, more));
    }
    if (node.text) this.rendered.set(node.text);
    this.state();
  }

  /** Shows the text so far; gives back what of it is on the page. */
  update() {
    this.rendered.set(this.node.text);
    this.state();
    return this.rendered.shown;
  }

  state(trouble) {
    const { text, finish } = this.node;
    const busy = finish === undefined;
    this.article.toggleAttribute("data-busy", busy);
    this.article.setAttribute("aria-busy", String(busy));
    this.wait.hidden = !busy || text !== "";
    const said = trouble ?? ENDS[finish] ?? (busy || text ? "" : "The model said nothing.");
    this.ended.textContent = said;
    this.ended.hidden = !said;
    this.ended.classList.toggle("failed", trouble !== undefined);
    const model = this.article.querySelector(".model");
    if (model) model.textContent = (this.node.model ?? "").slice(0, 60);
  }

  async copyAll(button) {
    if (await this.acts.copied(this.node, this.node.text, "prose")) confirmed(button);
  }

  async copyCode(text, button) {
    if (!(await this.acts.copied(this.node, text, "code"))) return;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy code"), 1500);
  }
}

function confirmed(button) {
  const use = button.querySelector("use");
  const before = use.getAttribute("href");
  if (before === "#i-done") return;
  use.setAttribute("href", "#i-done");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    use.setAttribute("href", before);
    button.setAttribute("aria-label", "Copy this answer");
  }, 1500);
}
