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

import { attempt } from "./outbox.js";
import { Track } from "./track.js";

const STEPS = Array.from({ length: 21 }, (_, step) => step / 20);
const ACTIVITY = ["pointerdown", "pointermove", "wheel", "touchstart", "touchmove", "keydown", "input"];

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
  #chosen = false; // the current one, by whoever reads
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
    // Of the window, not of what is in it: a page may move the focus itself.
    const { signal } = this.#listening;
    for (const name of ["focus", "blur"]) addEventListener(name, () => (this.#acted = performance.now()), { signal });
    this.#acted = performance.now();
  }

  /** Streaming, composing or reading; undefined while there is nothing to read. */
  get phase() {
    for (const track of this.tracks.values()) {
      // One that is written out of sight is not what somebody who went to another answer is with.
      if (track.streaming && (!this.#chosen || track === this.current)) return "streaming";
    }
    return this.composing ? "composing" : this.current ? "reading" : undefined;
  }

  /**
   * An answer is rendered into `element`, from now on or already.
   * @param {string} message
   * @param {string} conversation
   * @param {{ element?: Element | (() => Element | null) | null, parent?: string }} where
   * @param {boolean} streaming
   */
  begin(message, conversation, { element, parent }, streaming) {
    let track = this.tracks.get(message);
    if (track && track.conversation !== conversation) {
      track.streaming = false; // the same id, another answer
      this.#close(track);
      this.#release(track);
      track = undefined;
    }
    if (!track) this.tracks.set(message, (track = new Track(message, conversation)));
    if (streaming) {
      this.composing = false;
      for (const other of this.tracks.values()) {
        // Answers to one prompt may stand side by side; any other has had its time when the next one begins.
        if (other === track || (parent && other.parent === parent)) continue;
        other.streaming = false;
        if (other.on && !other.element?.isConnected) this.#detached(other); // before the observer has said so
        other.settled = other.on; // one that has left the screen already may come back to it
        this.#close(other);
      }
      this.current = track;
      this.#chosen = false;
    }
    track.parent = parent ?? track.parent;
    track.streaming ||= streaming; // that its element was made anew ends no stream
    track.settled = false;
    track.find = typeof element === "function" ? element : undefined;
    this.#place(track, typeof element === "function" ? attempt(element) : element);
    return track;
  }

  /**
   * Somebody went to this answer: what happens is about it from now on, whatever else is still being written.
   * @param {string} message
   * @param {string} conversation
   */
  select(message, conversation) {
    this.current = this.tracks.get(message) ?? this.begin(message, conversation, {}, false);
    this.#chosen = true;
  }

  /**
   * @param {Track} track
   * @param {string | number} soFar what is rendered: the text, or how many characters
   */
  grow(track, soFar) {
    track.latest = soFar;
    this.#follow(track);
    if (track.on && !track.asked) this.#look(track);
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
      track.settled = track.on;
      this.#close(track);
      if (!track.element) this.tracks.delete(track.message);
    }
    this.current = null;
    this.composing = false;
  }

  /**
   * Consent was given or taken back: nothing from before is told.
   * @param {boolean} watched whether what was seen so far was with consent
   */
  restart(watched) {
    if (!watched) {
      this.current = null;
      this.composing = this.#chosen = false;
      this.#acted = performance.now();
    }
    for (const track of this.tracks.values()) {
      if (!watched) track.seen = track.share = 0;
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
    if (track) this.#follow(track);
    if (!track || track.element !== target) return;
    track.asked = false;
    const on = isIntersecting && part.width > 0 && part.height > 0;
    const now = performance.now();
    if (on !== track.on) {
      if (track.open) this.#pass(now);
      track.on = on;
      track.since = now;
      if (!on) track.settled = false;
    }
    if (on) {
      this.near.add(track);
      track.share = Math.min(1, (part.bottom - box.top) / box.height);
      track.note();
      // A stream's first text counts at once. What scrolls by has to stay for a moment, see #tick.
      if (track.streaming) this.#open(track);
      this.#wake();
    } else if (!target.isConnected) {
      this.#close(track); // and it stays observed: the page may put it back
    }
  }

  /**
   * @param {Track} track
   * @param {unknown} element
   */
  #place(track, element) {
    if (!(element instanceof Element) || element === track.element) return;
    this.#release(track);
    const before = this.elements.get(element);
    if (before && before !== track) {
      this.#close(before); // it is written over
      this.#release(before);
    }
    track.element = element;
    this.elements.set(element, track);
    this.#look(track);
  }

  /** Where the page says that it is now, if it says so. @param {Track} track */
  #follow(track) {
    if (track.find) this.#place(track, attempt(track.find));
  }

  /** It is rendered into another element now, or into none. @param {Track} track */
  #release(track) {
    if (track.element) this.#observer.unobserve(track.element);
    track.element = null;
    track.on = false;
  }

  /** The page took its element away, perhaps for a while. @param {Track} track */
  #detached(track) {
    track.on = false;
    this.#look(track); // says so too when it is back already
  }

  /** Asks the observer anew: it answers with the next frame. @param {Track} track */
  #look(track) {
    const { element } = track;
    if (!element) return;
    track.asked = true;
    this.#observer.unobserve(element);
    this.#observer.observe(element);
  }

  #tick() {
    const now = performance.now();
    this.#pass(now);
    let busy = false;
    for (const track of this.near) {
      this.#follow(track);
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
    if (this.#timer) this.#acted = Math.min(now, this.#acted + passed - awake);
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
    const phase = track.streaming ? "streaming" : this.composing ? "composing" : "reading";
    this.emit("heartbeat", { phase, ...track.chars }, track);
  }

  /** @param {Event} event only its kind is looked at, and whether it was meant for a text field */
  #act(event) {
    const now = performance.now();
    if (this.#timer && now - this.#last > 5 * this.timing.tick) this.#pass(now); // the machine slept: no pause
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
