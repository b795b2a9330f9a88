// @ts-check
import { characters } from "./ids.js";

/** One answer: where it is, how much of it there is and was seen, and for how long. */
export class Track {
  /** Where it is rendered, which is the page's: what the page takes away for good is not kept alive from here. */
  /** @type {WeakRef<Element> | undefined} */
  #element;
  /** How to find that, where the page makes it anew again and again. @type {(() => Element | null) | undefined} */
  find;
  /** @type {string | undefined} */
  parent;
  seen = 0;
  share = 0; // of its box, from the top down to the lowest line on the screen
  asked = false; // the observer has not answered yet
  streaming = false;
  some = false; // text is there
  open = false; // an exposure is
  settled = false; // its exposure is over until it has left the screen
  again = false; // its exposure ended because the tab was hidden
  on = false;
  since = 0; // when it came on the screen, or left it
  opened = 0;
  beaten = 0;
  /** What is rendered, not counted yet. @type {unknown} */
  latest;
  #units = 0;
  #counted = 0;
  active = 0;
  idle = 0;
  hidden = 0;

  /**
   * @param {string} message
   * @param {string} conversation
   */
  constructor(message, conversation) {
    this.message = message;
    this.conversation = conversation;
  }

  /** @returns {Element | null} */
  get element() {
    return this.#element?.deref() ?? null;
  }

  set element(element) {
    this.#element = element ? new WeakRef(element) : undefined;
  }

  /**
   * Characters rendered so far. Counted when asked for and not with each chunk; of a text that has grown, what is new.
   */
  get total() {
    const soFar = this.latest;
    if (typeof soFar === "number") {
      this.#counted = Math.max(0, Math.round(soFar)) || 0;
      this.#units = Infinity; // a text that comes after it is counted from its beginning
    }
    if (typeof soFar === "string") {
      const grown = soFar.length >= this.#units;
      this.#counted = grown ? this.#counted + characters(soFar, this.#units) : characters(soFar);
      this.#units = soFar.length;
    }
    this.latest = undefined;
    return this.#counted;
  }

  /** What events say about how much was seen. */
  get chars() {
    return { seen_chars: Math.min(this.seen, this.total), total_chars: this.total };
  }

  /** As the observer reports: the share is one of what was there then, and not of what comes after it. */
  note() {
    this.seen = Math.max(this.seen, Math.round(this.share * this.total));
  }
}
