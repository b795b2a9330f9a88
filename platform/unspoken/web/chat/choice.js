// Now and then a prompt gets two answers side by side. Whether it does is drawn by lot and logged either way, with the
// probability it was drawn with; so is which answer stands on which side.

import { Answer } from "/chat/bubbles.js";

export const SHARE = 0.2; // of the prompts

/** Drawn for each prompt: {shown, propensity} of what was drawn. */
export function draw() {
  const shown = Math.random() < SHARE;
  return { shown, propensity: shown ? SHARE : 1 - SHARE };
}

export class Choice {
  /** `nodes` are the two answers in the order they were asked for; `decided(result)` is called once. */
  constructor(nodes, acts, decided) {
    this.nodes = Math.random() < 0.5 ? nodes : [nodes[1], nodes[0]]; // left to right
    this.decided = decided;
    this.over = false;
    this.section = document.getElementById("t-choice").content.firstElementChild.cloneNode(true);
    this.answers = this.nodes.map((node, i) => {
      const answer = new Answer(node, acts, "t-side");
      const name = i ? "Right" : "Left";
      answer.article.querySelector(".side-name").textContent = name;
      const button = answer.article.querySelector(".choose");
      button.setAttribute("aria-label", `The ${name.toLowerCase()} answer is better`);
      button.addEventListener("click", () => this.end(node, false));
      this.section.querySelector(".sides").append(answer.article);
      return answer;
    });
    this.section.querySelector(".tie").addEventListener("click", () => this.end(null, true));
    this.section.querySelector(".skip-choice").addEventListener("click", () => this.end(null, false));
  }

  of(node) {
    return this.answers[this.nodes.indexOf(node)];
  }

  /** Called when an answer has ended: both must have, before one can be chosen. */
  ready() {
    if (!this.nodes.every((node) => node.finish !== undefined)) return;
    for (const button of this.section.querySelectorAll("button:disabled")) button.disabled = false;
  }

  /** `chosen` is null for a tie, and when the visitor would rather not say. */
  end(chosen, tie) {
    if (this.over) return;
    this.over = true;
    this.decided({ chosen, tie, order: this.nodes });
  }
}
