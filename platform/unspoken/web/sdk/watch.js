// @ts-check
/**
 * What is on the screen, and whether anybody is there: exposures, time, pauses.
 *
 * Nothing here asks the browser for a layout. An IntersectionObserver says, when a frame has been laid out anyway, which
 * part of an answer's box is on the screen; the characters seen are the share of the box above the lowest visible
 * line, times the characters rendered so far. Once a second the observer is asked anew, because it is silent while a
 * tall answer scrolls by with the same share in sight.
 */

/** @typedef {import("./unspoken.js").Timing} Timing */

import { characters } from "./ids.js";

const STEPS = Array.from({ length: 21 }, (_, step) => step / 20);
const ACTIVITY = ["pointerdown", "pointermove", "wheel", "touchstart", "touchmove", "keydown", "input"];

/** One answer: where it is, how much of it there is and was seen, and for how long. */
export class Track {
  /** @type {Element | null} */
  element = null;
  /** @type {string | undefined} */
  parent;
  seen = 0;
  share = 0; // of its box, from the top down to the lowest line on the screen
  streaming = false;
  some = false; // text is there
  open = false; // an exposure is
  settled = false; // its exposure is over until it has left the screen
  again = false; // its exposure ended because the tab was hidden
  on = false;
  placed = false; // it has been part of the document
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

  /**
   * Characters rendered so far. Counted when asked for and not with each chunk; of a text that has grown, what is new.
   */
  get total() {
    const soFar = this.latest;
    if (typeof soFar === "number") this.#counted = Math.max(0, Math.round(soFar)) || 0;
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
    if (this.on && !document.hidden) this.note();
    return { seen_chars: Math.min(this.seen, this.total), total_chars: this.total };
  }

  note() {
    this.seen = Math.max(this.seen, Math.round(this.share * this.total));
  }
}

export class Watch {
  /** @type {Map<string, Track>} */
  tracks = new Map();
  /** @type {WeakMap<Element, Track>} */
  elements = new WeakMap();
  /** On the screen, or still exposed. @type {Set<Track>} */
  near = new Set();
  /** The answer that what happens is about. @type {Track | null} */
  current = null;
  composing = false;
  #timer = 0;
  #last = 0;
  #acted = 0;
  #observer;
  #listening = new AbortController();

  /**
   * @param {(kind: string, fields: Record<string, any>, track: Track | null) => void} emit
   * @param {() => boolean} allowed whether behaviour may be recorded
   * @param {Timing} timing
   * @param {<F extends (...given: any[]) => any>(work: F) => F} guarded
   */
  constructor(emit, allowed, timing, guarded) {
    this.emit = emit;
    this.allowed = allowed;
    this.timing = timing;
    this.tick = guarded(() => this.#tick());
    const seen = guarded((/** @type {IntersectionObserverEntry[]} */ entries) => entries.forEach((each) => this.#see(each)));
    this.#observer = new IntersectionObserver(seen, { threshold: STEPS });
    const options = { capture: true, passive: true, signal: this.#listening.signal };
    const act = guarded((/** @type {Event} */ event) => this.#act(event));
    for (const name of ACTIVITY) document.addEventListener(name, act, options);
    // Out of focus is no pause: what comes after it begins anew.
    for (const name of ["focus", "blur"]) addEventListener(name, () => (this.#acted = performance.now()), options);
    this.#acted = performance.now();
  }

  /** Streaming, composing or reading; undefined while there is nothing to read. */
  get phase() {
    for (const track of this.tracks.values()) if (track.streaming) return "streaming";
    return this.composing ? "composing" : this.current ? "reading" : undefined;
  }

  /**
   * An answer is rendered into `element`, from now on or already.
   * @param {string} message
   * @param {string} conversation
   * @param {{ element?: Element | null, parent?: string }} where
   * @param {boolean} streaming
   */
  begin(message, conversation, { element, parent }, streaming) {
    let track = this.tracks.get(message);
    if (!track) this.tracks.set(message, (track = new Track(message, conversation)));
    if (streaming) {
      this.composing = false;
      for (const other of this.tracks.values()) {
        // Answers to one prompt may stand side by side; any other has had its time when the next one begins.
        if (other === track || (parent && other.parent === parent)) continue;
        other.streaming = false;
        other.settled = other.on; // one that has left the screen already may come back to it
        this.#close(other);
        if (other.placed && !other.element?.isConnected) this.#release(other);
      }
      this.current = track;
    }
    track.parent = parent ?? track.parent;
    track.streaming = streaming;
    track.settled = false;
    if (element instanceof Element && element !== track.element) {
      this.#release(track);
      const before = this.elements.get(element); // it is written over
      if (before) this.#close(before);
      if (before) this.#release(before);
      track.element = element;
      this.elements.set(element, track);
      this.#look(track);
    }
    return track;
  }

  /**
   * @param {Track} track
   * @param {string | number} soFar what is rendered: the text, or how many characters
   */
  grow(track, soFar) {
    track.latest = soFar;
    if (track.some || !(typeof soFar === "string" ? soFar : soFar > 0)) return;
    track.some = true;
    this.#look(track);
  }

  /** @param {Track} track its answer is whole, or will never be */
  finish(track) {
    if (!track.streaming) return;
    track.streaming = false;
    // Whoever dies now dies reading: the server knows the phase by the last sign of life.
    if (track.open) this.#beat(track, performance.now());
    this.#look(track);
  }

  /** The tab is out of sight: no exposure outlives that, because nothing after it can be relied on. */
  hide() {
    this.#pass(performance.now());
    this.#rest();
    const current = this.current;
    for (const track of this.near) {
      track.again = track.open;
      this.#close(track);
    }
    this.current = current;
  }

  /** @param {number} away for how long the tab was out of sight, in ms */
  resume(away) {
    this.#acted = this.#last = performance.now();
    for (const track of this.near) {
      track.hidden = track.again ? away : 0;
      if (track.again && track.on) this.#open(track);
      track.again = false;
      this.#look(track);
    }
    this.#wake();
  }

  /** Another conversation is shown: what was exposed is no longer. */
  leave() {
    this.#pass(performance.now());
    for (const track of this.tracks.values()) {
      track.streaming = false;
      track.settled = true;
      this.#close(track);
    }
    this.current = null;
    this.composing = false;
  }

  /** Consent was given or taken back: nothing from before is told. */
  restart() {
    for (const track of this.tracks.values()) {
      track.open = track.again = track.settled = false;
      track.since = performance.now();
      this.#look(track);
    }
  }

  /** Ends every exposure and all listening. */
  end() {
    this.leave();
    this.#rest();
    this.#observer.disconnect();
    this.#listening.abort();
  }

  /** @param {IntersectionObserverEntry} entry */
  #see({ target, isIntersecting, boundingClientRect: box, intersectionRect: part }) {
    const track = this.elements.get(target);
    if (!track || track.element !== target) return;
    const on = isIntersecting && part.width > 0 && part.height > 0;
    const now = performance.now();
    if (on !== track.on) {
      if (track.open) this.#pass(now);
      track.on = on;
      track.since = now;
      if (!on) track.settled = false;
    }
    track.placed ||= target.isConnected;
    if (on) {
      this.near.add(track);
      track.share = Math.min(1, (part.bottom - box.top) / box.height);
      track.note();
      // A stream's first text counts at once. What scrolls by has to stay for a moment, see #tick.
      if (track.streaming) this.#open(track);
      this.#wake();
    } else if (track.placed && !target.isConnected) {
      this.#close(track);
      this.#release(track);
    }
  }

  /** Its element is gone from the page, and not to be kept alive from here. @param {Track} track */
  #release(track) {
    if (track.element) this.#observer.unobserve(track.element);
    track.element = null;
    track.on = track.placed = false;
  }

  /** Asks the observer anew: it answers with the next frame. @param {Track} track */
  #look({ element }) {
    if (!element) return;
    this.#observer.unobserve(element);
    this.#observer.observe(element);
  }

  #tick() {
    const now = performance.now();
    this.#pass(now);
    let busy = false;
    for (const track of this.near) {
      const { on, open, since } = track;
      if (!on && (!open || !track.element?.isConnected || now - since >= this.timing.away)) {
        this.#close(track);
        this.near.delete(track);
        continue;
      }
      if (on && !open && now - since >= this.timing.tick) this.#open(track);
      if (track.open || (on && !track.settled)) {
        busy = true;
        this.#look(track);
      }
    }
    const idle = now - this.#acted > this.timing.idle && this.phase !== "streaming";
    for (const track of this.near) {
      const due = track.beaten === track.opened ? this.timing.tick : idle ? this.timing.rest : this.timing.beat;
      if (track.open && (track.streaming || track === this.current) && now - track.beaten >= due - 50) {
        this.#beat(track, now);
      }
    }
    if (!busy) this.#rest();
  }

  /** Gives the time since the last look to every open exposure. @param {number} now */
  #pass(now) {
    const passed = now - this.#last;
    const awake = Math.min(passed, 5 * this.timing.tick); // the rest of it the machine slept, or the page was frozen
    this.#last = now;
    const quiet = now - this.#acted;
    for (const track of this.near) {
      if (!track.open) continue;
      track.hidden += passed - awake;
      if (!track.on || quiet > this.timing.idle) continue; // nobody reads for that long without a move
      if (document.hasFocus() && quiet < this.timing.pause) track.active += awake;
      else track.idle += awake;
    }
  }

  /** @param {Track} track */
  #open(track) {
    if (track.open || track.settled || !track.some || document.hidden || !this.allowed()) return;
    const now = performance.now();
    this.#pass(now);
    track.open = true;
    track.opened = track.beaten = now;
    track.active = 0;
    track.idle = track.streaming || track.hidden ? 0 : Math.min(now - track.since, 2 * this.timing.tick);
    if (!this.current?.streaming) this.current = track;
    this.emit("expose", {}, track);
    this.#wake();
  }

  /** @param {Track} track */
  #close(track) {
    if (!track.open) return;
    track.open = false;
    const [active, idle, hidden] = [track.active, track.idle, track.hidden].map((ms) => whole(ms));
    const time = { visible_ms: active + idle, active_ms: active, idle_ms: idle, hidden_ms: hidden };
    track.hidden = 0;
    this.emit("view", { ...time, ...track.chars }, track);
    if (track !== this.current || track.streaming) return;
    for (const other of this.near) if (other.open) this.current = other;
  }

  /**
   * @param {Track} track
   * @param {number} now
   */
  #beat(track, now) {
    track.beaten = now;
    this.emit("heartbeat", { phase: this.phase, ...track.chars }, track);
  }

  /** @param {Event} event only its kind is looked at, and whether it was meant for a text field */
  #act(event) {
    const now = performance.now();
    const quiet = now - this.#acted;
    const { pause, idle } = this.timing;
    if (quiet >= pause && quiet <= idle && document.hasFocus() && (this.composing || this.current?.open)) {
      this.emit("pause", { ms: whole(quiet), phase: this.phase }, this.current);
    }
    if (quiet >= pause) this.#pass(now); // before it counts as activity
    this.#acted = now;
    if (event.type === "input") this.composing = true;
  }

  #wake() {
    if (this.#timer || document.hidden) return;
    this.#last = performance.now();
    this.#timer = window.setInterval(this.tick, this.timing.tick);
  }

  #rest() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }
}

/** Whole seconds, in ms: how people differ within a second is nobody's business. @param {number} ms */
function whole(ms) {
  return Math.max(0, Math.round(ms / 1000)) * 1000;
}
