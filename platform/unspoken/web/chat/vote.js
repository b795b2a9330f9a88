// Thumbs, and afterwards, for who likes, why. The vote counts at once; reasons and words come as a second event of it.

const REASONS = {
  1: { why: "What was good?", chips: ["correct", "clear", "complete", "well written", "creative"] },
  [-1]: { why: "What was bad?", chips: ["wrong", "not what I asked", "unclear", "too long", "too short", "offensive"] },
};

export class Votes {
  /** `said(value, more)` is told of each vote. */
  constructor(article, value, said) {
    this.article = article;
    this.said = said;
    this.up = article.querySelector(".up");
    this.down = article.querySelector(".down");
    this.up.addEventListener("click", () => this.press(1));
    this.down.addEventListener("click", () => this.press(-1));
    this.mark(value ?? 0);
  }

  press(value) {
    const now = this.value === value ? 0 : value;
    this.mark(now);
    this.said(now, {});
    this.close();
    if (now) this.ask(now);
  }

  mark(value) {
    this.value = value;
    this.up.setAttribute("aria-pressed", String(value === 1));
    this.down.setAttribute("aria-pressed", String(value === -1));
  }

  ask(value) {
    const form = document.getElementById("t-reasons").content.firstElementChild.cloneNode(true);
    form.querySelector(".why").textContent = REASONS[value].why;
    for (const reason of REASONS[value].chips) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.textContent = reason;
      chip.setAttribute("aria-pressed", "false");
      chip.addEventListener("click", () =>
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true")),
      );
      form.querySelector(".chips").append(chip);
    }
    form.querySelector(".cancel").addEventListener("click", () => this.close(value));
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.close(value));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const reasons = [...form.querySelectorAll('[aria-pressed="true"]')].map((chip) => chip.textContent);
      const comment = form.querySelector("textarea").value.trim();
      if (reasons.length || comment) this.said(value, { reasons, comment });
      this.close(value);
    });
    this.form = form;
    this.article.append(form);
    form.scrollIntoView({ block: "nearest" });
  }

  close(back) {
    this.form?.remove();
    this.form = null;
    if (back) (back === 1 ? this.up : this.down).focus();
  }
}
