// The parts of the page around the messages: the message box, the buttons and scrolling.

import { Speech } from "/chat/speech.js";

const NEAR = 120; // pixels from the end that still count as being there

export class Screen {
  constructor(most) {
    this.most = most;
    this.form = document.getElementById("composer");
    this.field = document.getElementById("prompt");
    this.scroller = document.getElementById("talk");
    this.speech = new Speech(document.getElementById("spoken"));
    this.atEnd = true;
    this.wire();
  }

  wire() {
    const fine = !matchMedia("(pointer: coarse)").matches;
    document.getElementById("keys").hidden = !fine;
    this.field.addEventListener("input", () => this.fit());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || !fine) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.field.value.trim();
      if (!text || this.running || !this.fits(text)) return;
      this.field.value = "";
      this.fit();
      this.onsend(text);
    });
    document.getElementById("stop").addEventListener("click", () => {
      this.onstop();
      this.focus();
    });
    document.getElementById("new").addEventListener("click", () => this.onnew());
    for (const button of document.querySelectorAll("#openers button")) {
      button.addEventListener("click", () => this.running || this.onsend(button.textContent));
    }
    this.scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.scroller;
      this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    }, { passive: true });
    this.fit();
  }

  /** Whether a message is short enough; says so where it is not. */
  fits(text) {
    const over = text.length > this.most;
    const n = (number) => number.toLocaleString("en");
    if (over) this.trouble(`That is ${n(text.length)} characters; a message has up to ${n(this.most)} here. Shorten it.`);
    return !over;
  }

  fit() {
    const length = this.field.value.trim().length;
    this.field.style.height = "auto";
    // A megabyte that was pasted would take seconds to lay out at its full height.
    this.field.style.height = `${Math.min(length > 20_000 ? 200 : this.field.scrollHeight, 200)}px`;
    const count = document.getElementById("count");
    count.hidden = length < this.most * 0.9;
    count.textContent = `${length.toLocaleString("en")} of ${this.most.toLocaleString("en")} characters. `;
    count.classList.toggle("failed", length > this.most);
    this.send();
  }

  send() {
    document.getElementById("send").disabled = !this.field.value.trim();
  }

  busy(running) {
    this.running = running;
    document.getElementById("send").hidden = running;
    document.getElementById("stop").hidden = !running;
  }

  trouble(text) {
    const place = document.getElementById("trouble");
    place.hidden = !text;
    place.textContent = text;
  }

  empty(yes) {
    document.getElementById("welcome").hidden = !yes;
  }

  focus() {
    if (!matchMedia("(pointer: coarse)").matches) this.field.focus({ preventScroll: true });
  }

  /** Stays at the end while an answer grows, unless the visitor has scrolled away from it. */
  follow(always = false) {
    if (always || this.atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Runs `work` once a frame at most; in a tab that is not looked at, where frames stop, once a second. */
  frames(work) {
    let waiting = false;
    const run = () => {
      if (!waiting) return;
      waiting = false;
      work();
    };
    return {
      soon() {
        if (waiting) return;
        waiting = true;
        if (document.hidden) setTimeout(run, 1000);
        else requestAnimationFrame(run);
      },
      now() {
        waiting = true;
        run();
      },
    };
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // over plain HTTP there is no clipboard; the old way works there
    }
    const field = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
