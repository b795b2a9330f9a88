// What may be recorded, and the SDK that does it: asked first, remembered, changed at any time.

import { asksForPrivacy, forget, recall, remember, stored, visitor } from "/chat/memory.js";

const VERSION = "2026-11"; // of the notice; another one asks again
const PURPOSES = "service,analytics,training";
const NAMES = { none: "nothing", votes: "votes", all: "all" };

export class Recording {
  /** `changed(before)` is called when the visitor has chosen, with the choice before (null at first). */
  constructor(panel, changed) {
    this.panel = panel;
    this.changed = changed;
    this.mode = null;
    this.sdk = null;
    this.number = null; // the visitor's, for as long as something is recorded
    this.dialog = document.getElementById("consent");
    this.private = asksForPrivacy();
    this.wire();
  }

  get on() {
    return this.mode === "votes" || this.mode === "all";
  }

  get user() {
    return this.on ? (this.number ??= visitor()) : undefined;
  }

  get consent() {
    return `${VERSION}:${PURPOSES}`;
  }

  /** The visitor's remembered choice, or the question. */
  begin() {
    const known = chosen(JSON.stringify(recall("consent")));
    if (known) this.choose(known);
    else this.ask();
  }

  /** Tells the SDK something, where anything is recorded; gives back what it gives. */
  did(deed) {
    return this.on && this.sdk ? deed(this.sdk) : undefined;
  }

  /** The lot of the side-by-side choice, also where it was not shown. */
  solicit(message, { shown, propensity }, answered) {
    this.did((u) => u.solicit(message, { level: shown ? "soft" : "none", shown, answered, propensity }));
  }

  /** In the panel: the server logs messages by itself, since everything goes through it. */
  logged(role, message, conversation, parent) {
    this.panel.event({ id: `${role} ${message}`, kind: "message", role, conversation, message, parent }, "sent");
  }

  /** `here`: in this tab, and not in another one of the same browser. */
  async choose(mode, here = true) {
    const before = this.mode;
    this.mode = mode === "all" && this.private ? "votes" : mode;
    if (here) remember("consent", { version: VERSION, mode });
    if (this.mode === "none") {
      this.number = null;
      this.sdk?.consent("none");
      this.sdk?.shutdown();
      this.sdk = null;
      forget("tree");
      forget("visitor");
    } else if (this.sdk) {
      this.sdk.consent(this.mode, this.consent);
    } else {
      await this.start();
    }
    this.say();
    this.changed(before);
  }

  async start() {
    try {
      const { init } = await import("/sdk/unspoken.js");
      this.sdk = init({
        key: document.body.dataset.key,
        endpoint: location.origin,
        user: this.user,
        consent: this.mode,
        consentVersion: this.consent,
        onEvent: (event, state) => this.panel.event(event, state),
      });
    } catch (error) {
      console.warn("The SDK did not load: nothing but messages is recorded.", error);
    }
  }

  say() {
    document.getElementById("recorded").textContent = `Recording: ${NAMES[this.mode]}`;
    document.body.dataset.recording = this.mode;
    this.panel.silent(this.mode === "none");
    this.panel.note(
      this.mode === "none"
        ? "Nothing: you chose that nothing is recorded."
        : this.mode === "votes"
          ? "Messages and what you say of them. What you do is not recorded" + (this.private ? ": your browser asks not to be followed." : ".")
          : "Each line is one event. Press it to see all of what was sent.",
      this.on ? `Your number here: ${this.user}` : "",
    );
  }

  ask() {
    const note = document.getElementById("private");
    note.hidden = !this.private;
    note.textContent =
      "Your browser asks not to be followed (Global Privacy Control or Do Not Track). So what you do is not recorded here, whatever you choose.";
    for (const option of this.dialog.querySelectorAll("input")) {
      option.checked = option.value === this.mode;
      option.disabled = option.value === "all" && this.private;
    }
    this.dialog.querySelector("#agree").disabled = !this.mode;
    this.dialog.querySelector("#agree").textContent = this.mode ? "Keep this" : "Start";
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  wire() {
    document.getElementById("recording").addEventListener("click", () => this.ask());
    // Whoever takes something back in one tab takes it back in all. Where more is allowed, a tab goes on as it was.
    addEventListener("storage", ({ key, newValue }) => {
      const mode = key === stored("consent") && chosen(newValue);
      if (!mode || (this.mode && Object.keys(NAMES).indexOf(mode) >= Object.keys(NAMES).indexOf(this.mode))) return;
      this.choose(mode, false);
      this.dialog.close();
    });
    const agree = this.dialog.querySelector("#agree");
    this.dialog.addEventListener("change", () => (agree.disabled = false));
    this.dialog.addEventListener("cancel", (event) => this.mode ?? event.preventDefault());
    this.dialog.addEventListener("close", () => {
      const mode = this.dialog.querySelector("input:checked")?.value;
      if (this.dialog.returnValue === "chosen" && mode) {
        if (mode !== this.mode) this.choose(mode);
      } else if (!this.mode) {
        this.ask(); // some browsers close it at the second Escape all the same
      }
    });
  }
}

/** What was chosen, of what is kept of it; nothing where another notice was read. */
function chosen(kept) {
  try {
    const { version, mode } = JSON.parse(kept);
    return version === VERSION && Object.hasOwn(NAMES, mode) ? mode : undefined;
  } catch {
    return undefined;
  }
}
