// @ts-check
/**
 * Records what people say about a chatbot's answers and what they do with them. How to use it: docs/browser.md.
 *
 * Whatever goes wrong in here, the page it runs in must not notice: every entry is guarded.
 */
import { characters, clock, uuid7 } from "./ids.js";
import { Leaving } from "./leaving.js";
import { Outbox, STATED, attempt } from "./outbox.js";
import { Watch } from "./watch.js";

/** @typedef {import("./unspoken.js").Options} Options */
/** @typedef {import("./unspoken.js").Unspoken} Unspoken */

const TIMING = { tick: 1000, beat: 5000, rest: 60_000, pause: 5000, idle: 120_000, away: 10_000 };
const REARM_MS = 2000;
/** @type {Map<string, Unspoken>} */
const running = new Map();

/** @type {typeof import("./unspoken.js").init} */
export const init = (options) => {
  const made = new Recorder(options ?? {});
  const api = made.api();
  attempt(() => {
    const before = running.get(made.url);
    running.set(made.url, api); // once a page: a second one, as after a hot reload, takes over
    before?.shutdown();
    made.start();
  });
  return api;
};

class Recorder {
  #page = "";
  #n = 0;
  #closeId = "";
  #conversation;
  #mode;
  #version;
  #touched = false;
  #armedAt = -Infinity;
  #ended = new AbortController();
  /** @type {Watch | undefined} */
  #watch;
  /** @type {Leaving | undefined} */
  #leaving;

  /** @param {Partial<Options>} options */
  constructor(options) {
    this.options = options;
    this.#conversation = name(options.conversation);
    this.#mode = options.consent ?? "all";
    this.#version = options.consentVersion;
    const base = options.endpoint ?? new URL("../", import.meta.url).href;
    const key = String(options.key ?? "");
    const root = String(base).replace(/\/+$/, "").replace(/\/v1\/events$/, "");
    this.url = `${root}/v1/events?key=${encodeURIComponent(key)}`;
    this.outbox = new Outbox(
      this.url,
      key.slice(-8),
      (kind) => this.#allows(kind),
      (event, fate, detail) => attempt(() => options.onEvent?.(event, fate, detail)),
    );
    if (!key) this.#complain("init() needs a key; nothing is recorded.");
  }

  /** Listens from here on, and sends what an earlier page could not. */
  start() {
    this.#renew();
    const signal = this.#ended.signal;
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ kind, /** @type {(event: any) => void} */ work) =>
      target.addEventListener(kind, this.guarded(work), { signal });
    on(document, "securitypolicyviolation", ({ blockedURI, disposition, effectiveDirective }) => {
      const ours = blockedURI && this.url.startsWith(blockedURI.split("?")[0]);
      if (ours && disposition === "enforce" && effectiveDirective === "connect-src") this.outbox.blocked = true;
    });
    on(window, "online", () => this.outbox.retry());
    on(document, "copy", (event) => this.#copied(event));
    if (this.#mode === "none") this.#forget();
    this.outbox.inherit();
    const inherits = setInterval(() => this.outbox.inherit(), 60_000); // of pages that crash while this one lives
    signal.addEventListener("abort", () => clearInterval(inherits));
    const watch = new Watch(
      (kind, fields, track) => {
        this.#touched ||= kind === "expose";
        this.emit(kind, { message: track?.message, ...fields }, track?.conversation);
        if (kind === "heartbeat" || kind === "expose") this.#arm();
      },
      () => this.#allows("view"),
      { ...TIMING, ...this.options.timing },
      this.guarded,
    );
    this.#watch = watch;
    const page = {
      emit: (/** @type {string} */ kind, /** @type {any} */ fields, final = false) =>
        this.emit(kind, fields, watch.current?.conversation, final ? this.#closeId : uuid7()),
      draft: (/** @type {string} */ kind, /** @type {any} */ fields) =>
        this.#allows(kind)
          ? this.#event(kind, { ...fields, conversation: watch.current?.conversation }, this.#closeId)
          : undefined,
      present: () => this.#touched || watch.composing || watch.phase === "streaming",
      renew: () => this.#renew(),
    };
    this.#leaving = new Leaving(watch, this.outbox, page, this.guarded, signal);
  }

  /** What the page gets. @returns {Unspoken} */
  api() {
    const { guarded } = this;
    const about = (/** @type {string} */ kind) =>
      guarded((/** @type {any} */ message, /** @type {any} */ more) => this.emit(kind, { ...more, message: needed(message) }));
    /** The same, with how much of the answer had been seen. @param {string} kind @param {boolean} [phased] */
    const seen = (kind, phased) =>
      guarded((/** @type {any} */ message, /** @type {any} */ more = undefined) => {
        const track = this.#watch?.tracks.get(needed(message));
        const phase = phased && track ? { phase: track.streaming ? "streaming" : "reading" } : {};
        this.emit(kind, { ...track?.chars, ...phase, ...more, message: needed(message) }, track?.conversation);
        if ((kind === "stop" || kind === "regenerate") && track) this.#finish(track);
      });
    return {
      conversation: guarded((id) => {
        if (name(id) === this.#conversation) return;
        this.#watch?.leave();
        this.#arm();
        this.#touched = false;
        this.#conversation = name(id);
      }),
      stream: (given) => this.#stream(given),
      show: guarded((given) => {
        const track = this.#begin(given, false);
        if (!track || track.streaming) return; // its stream says how much there is
        this.#watch?.grow(track, given.chars ?? characters(track.element?.textContent ?? ""));
      }),
      message: guarded((given) => {
        if (given.role === "user" && this.#watch) this.#watch.composing = false;
        this.emit("message", { ...given, message: needed(given.message) });
      }),
      vote: guarded((message, value, more) => this.emit("vote", { ...more, value, message: needed(message) })),
      rating: guarded((message, given) => this.emit("rating", { ...given, message: name(message) })),
      choice: guarded((given) => this.emit("choice", { ...given })),
      solicit: about("solicit"),
      regenerate: seen("regenerate", true),
      stop: seen("stop"),
      select: guarded((message, more) => {
        this.emit("select", { ...more, message: needed(message) });
        this.#watch?.select(needed(message), this.#current());
        this.#leaving?.disarm(); // what the browser holds is about another answer
        this.#armedAt = -Infinity;
        this.#arm();
      }),
      edit: guarded((message, to) => this.emit("edit", { message: needed(message), to: needed(to) })),
      share: guarded((message) => this.emit("share", { message: name(message) })),
      copy: about("copy"),
      consent: guarded((mode, version) => {
        if (this.#ended.signal.aborted) return; // another may have taken over
        const before = this.#mode;
        const watched = this.#allows("view");
        this.#version = version ?? this.#version;
        this.#mode = mode;
        if (mode === "none") this.#forget(); // of other pages too, whatever it was before
        if (mode === before) return;
        this.outbox.sift();
        this.#leaving?.disarm();
        this.#armedAt = -Infinity;
        this.#touched &&= watched;
        this.#watch?.restart(watched);
        this.outbox.inherit();
      }),
      flush: async () => {
        await guarded(() => this.outbox.flush())();
      },
      shutdown: guarded(() => {
        this.#watch?.end();
        this.#leaving?.disarm();
        this.#ended.abort();
        this.outbox.end();
      }),
    };
  }

  /** @param {Parameters<Unspoken["stream"]>[0]} given */
  #stream(given) {
    const track = this.guarded(() => this.#begin(given, true))();
    return {
      text: this.guarded((/** @type {string | number} */ soFar) => track && this.#watch?.grow(track, soFar)),
      finish: this.guarded(() => track && this.#finish(track)),
    };
  }

  /**
   * @param {any} given
   * @param {boolean} streaming
   */
  #begin(given, streaming) {
    const watch = this.#watch;
    if (!watch || this.#ended.signal.aborted) return undefined;
    const track = watch.begin(needed(given.message), name(given.conversation) ?? this.#current(), given, streaming);
    this.#touched = true;
    this.#arm();
    return track;
  }

  /** @param {import("./track.js").Track} track */
  #finish(track) {
    this.#watch?.finish(track);
    this.#arm();
  }

  /** While an answer streams, and no longer, the browser holds a close that is at most this old. */
  #arm() {
    if (this.#watch?.phase !== "streaming") {
      this.#leaving?.disarm();
      this.#armedAt = -Infinity;
      return;
    }
    const now = performance.now();
    if (now - this.#armedAt < REARM_MS) return;
    this.#armedAt = now;
    this.#leaving?.arm();
  }

  /** The conversation shown; one that nobody named gets a name of its own. */
  #current() {
    return (this.#conversation ??= uuid7());
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} fields
   * @param {string} [conversation]
   * @param {string} [id]
   */
  emit(kind, fields, conversation, id = uuid7()) {
    if (!this.#allows(kind)) return undefined;
    const event = this.#event(kind, { conversation, ...fields }, id);
    this.#n++;
    this.outbox.add(event);
    return event;
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} fields
   * @param {string} id
   */
  #event(kind, fields, id) {
    const { user, arm } = this.options;
    return {
      ...fields,
      conversation: name(fields.conversation) ?? this.#current(),
      id,
      kind,
      at: clock(),
      user: fields.user ?? user,
      page: this.#page,
      n: this.#n,
      session: session(),
      device: device(),
      arm,
      consent: this.#version,
    };
  }

  /** Another page view: at the beginning, and when the page comes back from the cache. */
  #renew() {
    this.#page = uuid7();
    this.#closeId = uuid7();
    this.#n = 0;
  }

  /**
   * What people say may be sent with a yes to votes. What they do takes a yes to all, and a browser that does not ask
   * to be left alone.
   * @param {string} kind
   */
  #allows(kind) {
    if (!this.options.key || this.#ended.signal.aborted || this.#mode === "none") return false;
    if (STATED.includes(kind)) return true;
    if (this.#mode !== "all") return false;
    return kind === "message" || !asked();
  }

  /** There is consent to nothing: nothing stays in the browser, of this page or of earlier ones. */
  #forget() {
    attempt(() => sessionStorage.removeItem("unspoken:session"));
    visit = "";
    this.outbox.sift();
  }

  /**
   * A copy out of an answer: how much, and of what; never which. Out of a field in it, it is of somebody's own words.
   * @param {ClipboardEvent} event
   */
  #copied({ target }) {
    if (target instanceof Element && target.matches("input, textarea")) return;
    const selection = getSelection();
    const from = selection?.anchorNode;
    const inner = from instanceof Element ? from : from?.parentElement;
    for (let element = inner; element; element = element.parentElement) {
      const track = this.#watch?.elements.get(element);
      if (!track) continue;
      const part = inner?.closest("pre, code") ? "code" : "prose";
      const chars = Math.min(characters(String(selection)), track.total);
      return void (chars && this.emit("copy", { message: track.message, chars, part }, track.conversation));
    }
  }

  /**
   * @template {(...given: any[]) => any} F
   * @param {F} work
   * @returns {F}
   */
  guarded = (work) =>
    /** @type {F} */ (
      (...given) => {
        try {
          return work(...given);
        } catch (error) {
          this.#complain(error);
        }
      }
    );

  /** @param {unknown} what */
  #complain(what) {
    if (this.options.debug) attempt(() => console.debug("unspoken:", what));
  }
}

/** An id as the vocabulary has it; undefined where there is none. @param {unknown} given */
function name(given) {
  const said = typeof given === "number" ? String(given) : given;
  return typeof said === "string" && said && said.length <= 200 ? said : undefined;
}

/** @param {unknown} given */
function needed(given) {
  const said = name(given);
  if (!said) throw new TypeError("the id of a message is a text of 1 to 200 characters");
  return said;
}

/** Whether the browser asks not to be followed. */
function asked() {
  const { globalPrivacyControl, doNotTrack } = /** @type {any} */ (navigator);
  return globalPrivacyControl === true || doNotTrack === "1";
}

let visit = "";

/** One visit, which is one tab: a tab that was duplicated goes on with the same, and has pages of its own. */
function session() {
  if (visit) return visit;
  visit = attempt(() => sessionStorage.getItem("unspoken:session")) || uuid7();
  attempt(() => sessionStorage.setItem("unspoken:session", visit));
  return visit;
}

let deviceClass = "";

/** Asked once: the answer may cost the browser a look at its styles. */
function device() {
  const matches = (/** @type {string} */ query) => matchMedia(query).matches;
  const held = Math.min(screen.width, screen.height) < 600 ? "phone" : "tablet";
  return (deviceClass ||= matches("(pointer: coarse)") ? held : matches("(pointer: fine)") ? "desktop" : "other");
}
