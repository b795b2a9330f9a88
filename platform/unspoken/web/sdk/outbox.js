// @ts-check
/**
 * Events on their way out: a bounded queue, kept in localStorage until the server has said that it stored them.
 *
 * An event is never told apart by anything but its id, and the server stores an id once. So whatever may have been
 * lost is simply sent again, by this page or by the next one: an acknowledgement that nobody heard costs a repetition.
 */
import { clock, json, uuid7 } from "./ids.js";

/** @typedef {{ event: Record<string, any>, json: string, size: number, flying: number }} Item */
/** @typedef {import("./unspoken.js").Fate} Fate */

const PREFIX = "unspoken:";
export const STATED = ["vote", "rating", "choice", "solicit"];
const MOST_EVENTS = 500; // an hour without a server, with somebody reading all the time, comes to about this
const MOST_BYTES = 2_000_000; // in memory; one message may hold a million characters
const MOST_KEPT = 200_000; // in localStorage, which the host page needs as well
const BATCH = 100;
const BATCH_BYTES = 500_000;
const LEAVE_BYTES = 16_000; // a page that goes may have 64 KiB on the way, all requests together
const LEAVE_BATCHES = 3;
const LINGER_MS = 200; // events of one moment travel together
const LONGEST_WAIT_MS = 60_000;
const STALE_MS = 90_000; // a page that lives touches what it keeps more often than this
const OLDEST_MS = 7 * 86_400_000;
const GROUNDED = 0, FLYING = 1, SURVIVING = 2; // not under way; under way; and will arrive although the page ends

export class Outbox {
  /** @type {Item[]} */
  #items = [];
  #bytes = 0;
  /** @type {Set<Promise<void>>} */
  #flights = new Set();
  #failures = 0;
  #most = BATCH;
  #linger = 0;
  #timer = 0;
  #due = 0; // by the monotonic clock, as is the next
  #notBefore = 0;
  #kept = false;
  #said = false;
  #stopped = false;
  #ending = false; // what cannot be sent at once is left to the next page
  #gone = false; // this page may never come back: the next one need not wait to take what it keeps
  #own;

  /**
   * @param {string} url where events go, with the key
   * @param {string} project tells projects of one origin apart
   * @param {(kind: string) => boolean} allowed what there is consent to
   * @param {(event: Record<string, any>, fate: Fate, detail?: string) => void} report
   */
  constructor(url, project, allowed, report) {
    this.url = url;
    this.allowed = allowed;
    this.report = report;
    this.prefix = PREFIX + project + ":";
    this.#own = this.prefix + uuid7();
  }

  /** The page's policy forbids the connection: nothing is tried, and what waits stays for a page that may. */
  blocked = false;

  /** @param {Record<string, any>} event */
  add(event) {
    if (this.#stopped) return;
    const item = this.#push(event);
    this.report(event, "queued");
    if (item.size > MOST_BYTES) this.#remove([item], "dropped", "it is larger than the queue");
    this.#trim();
    this.#linger ||= window.setTimeout(() => {
      this.#linger = 0;
      this.save(); // whether or not it may be sent yet
      this.#later(0);
    }, LINGER_MS);
  }

  /** Forgets what there is no consent to any more, here and in what other pages kept. */
  sift() {
    this.#remove(this.#items.filter((each) => !this.allowed(each.event.kind)), "dropped");
    if (!this.allowed("vote")) this.#each((key) => key.startsWith(this.prefix) && localStorage.removeItem(key));
    this.save();
  }

  /** Sends what waits, and resolves when the server has answered or cannot be reached. */
  async flush() {
    const before = this.#failures;
    while (this.#items.length && this.#failures <= before && !this.#stopped && !this.blocked) await this.#send();
  }

  /** The tab goes out of sight, perhaps for ever: all that waits goes now, in requests that outlive the page. */
  hurry() {
    this.#gone = true;
    this.save();
    if (this.#stopped || this.blocked) return;
    for (let left = LEAVE_BATCHES; left > 0; left--) this.#fly(fitting(this.#idle(), LEAVE_BYTES));
  }

  /** The recording ends, and the page may go on. */
  end() {
    this.#ending = true;
    this.hurry();
  }

  /** The page ends with this call: nothing here waits for anything. */
  leave() {
    this.#gone = true;
    this.save();
    if (this.#stopped || this.blocked) return;
    for (let left = LEAVE_BATCHES; left > 0; left--) {
      let batch = fitting(this.#idle(FLYING), LEAVE_BYTES);
      while (batch.length > 1 && !beacon(this.url, this.body(batch))) batch = batch.slice(0, batch.length >> 1);
      if (batch.length === 1 && !beacon(this.url, this.body(batch))) this.#fly(batch, false);
      for (const each of batch) each.flying = SURVIVING;
    }
  }

  /** @param {{ json: string }[]} items */
  body(items) {
    return `{"events":[${items.map((each) => each.json).join()}],"sent_at":${clock()}}`;
  }

  /** The network is back, or the page: no use in waiting any longer. */
  retry() {
    for (const each of this.#items) if (each.flying === SURVIVING) each.flying = GROUNDED;
    this.#gone = false;
    this.#notBefore = 0;
    this.save();
    this.#later(0);
  }

  /** Writes what waits to where the next page finds it; if there is no room for all, what people said before the rest. */
  save() {
    let room = MOST_KEPT;
    const order = [...this.#items].sort((one, other) => rank(one) - rank(other));
    const fit = new Set(order.filter((each) => (room -= each.size) >= 0 || ((room += each.size), false)));
    const kept = this.#items.filter((each) => fit.has(each));
    attempt(() => {
      if (kept.length) localStorage.setItem(this.#own, `{"t":${Date.now()},"gone":${this.#gone},${this.body(kept).slice(1)}`);
      else if (this.#kept) localStorage.removeItem(this.#own);
      this.#kept = kept.length > 0;
    });
  }

  /** Takes what pages that ended could not send. One page at a time where locks exist; twice would change nothing. */
  inherit() {
    if (!this.allowed("vote")) return;
    const take = () => this.#take();
    const asked = attempt(() => navigator.locks.request(this.prefix, { ifAvailable: true }, (lock) => lock && take()));
    if (asked) asked.catch(take);
    else take();
  }

  #take() {
    const had = new Set(this.#items.map((each) => each.event.id));
    const now = Date.now();
    this.#each((key) => {
      if (key === this.#own) return;
      const { t, gone, events, sent_at } = attempt(() => JSON.parse(localStorage.getItem(key) ?? "")) ?? {};
      const age = Math.abs(now - t);
      if (!gone && age < STALE_MS) return; // that page lives and sends its events itself
      if (key.startsWith(this.prefix) && age < OLDEST_MS && Array.isArray(events)) {
        // That page's clock may be another than this one's, and what is sent together is told the time by one.
        const off = clock() - Math.max(0, now - t) - sent_at;
        for (const event of events) {
          if (!event?.id || !this.allowed(event.kind) || had.has(event.id)) continue;
          if (Math.abs(off) > 1000) event.at += off;
          this.#push(event);
        }
        this.#trim();
        this.save(); // first kept twice, then once
      } else if (!key.startsWith(this.prefix) && age < OLDEST_MS) return;
      localStorage.removeItem(key);
    });
    if (this.#items.length) this.#later(0);
  }

  /** @param {(key: string) => void} visit every key of ours, of any project */
  #each(visit) {
    attempt(() => {
      for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) visit(key);
    });
  }

  /** @param {Record<string, any>} event */
  #push(event) {
    const text = json(event);
    const size = new TextEncoder().encode(text).length;
    const item = { event, json: text, size, flying: GROUNDED };
    this.#items.push(item);
    this.#bytes += size;
    return item;
  }

  /** Heartbeats go first, then behaviour, and what people said last of all. */
  #trim() {
    while (this.#items.length > MOST_EVENTS || (this.#bytes > MOST_BYTES && this.#items.length > 1)) {
      const last = Math.max(...this.#items.map(rank));
      this.#remove(this.#items.filter((each) => rank(each) === last).slice(0, 1), "dropped", "the queue is full");
    }
  }

  /**
   * @param {Item[]} items
   * @param {Fate} fate
   * @param {string} [detail]
   */
  #remove(items, fate, detail) {
    const going = new Set(items);
    this.#items = this.#items.filter((each) => !going.delete(each) || ((this.#bytes -= each.size), false));
    for (const each of items) this.report(each.event, fate, detail);
  }

  /** What is not under way, those that say somebody left first. `upTo` FLYING: also what may be cut off. */
  #idle(upTo = GROUNDED) {
    const late = (/** @type {Item} */ each) => (each.size > LEAVE_BYTES ? 2 : /close|hide/.test(each.event.kind) ? 0 : 1);
    return this.#items.filter((each) => each.flying <= upTo).sort((one, other) => late(one) - late(other));
  }

  /** @param {number} ms */
  #later(ms) {
    const now = performance.now();
    const due = Math.max(now + ms, this.#notBefore);
    if (this.#timer && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      void this.#send();
    }, due - now);
  }

  /** One batch, when none is under way; until it is answered. */
  async #send() {
    if (this.#stopped || this.blocked) return;
    const waiting = this.#items.filter((each) => !each.flying);
    if (!this.#flights.size) this.#fly(fitting(waiting, BATCH_BYTES).slice(0, this.#most));
    await Promise.all(this.#flights);
  }

  /**
   * @param {Item[]} batch
   * @param {boolean} [keepalive] whether it is to outlive the page, for which it must be small
   */
  #fly(batch, keepalive = batch.reduce((sum, each) => sum + each.size, 0) <= LEAVE_BYTES) {
    if (!batch.length) return;
    const flight = this.#post(batch, keepalive).finally(() => this.#flights.delete(flight));
    this.#flights.add(flight);
  }

  /**
   * @param {Item[]} batch
   * @param {boolean} keepalive
   */
  async #post(batch, keepalive) {
    const body = this.body(batch);
    for (const each of batch) each.flying = keepalive ? SURVIVING : FLYING;
    this.save();
    let status = 0, wait = 0, ours = false;
    /** @type {any} */
    let answer;
    try {
      const signal = AbortSignal.timeout?.(30_000); // a server that never answers is one that is not there
      const response = await fetch(this.url, { method: "POST", body, keepalive, credentials: "omit", signal });
      status = response.status;
      wait = Number(response.headers.get("Retry-After")) || 0;
      ours = /^application\/problem\+json/.test(response.headers.get("Content-Type") ?? "");
      answer = await response.json();
    } catch {
      // No network, a policy, a login page in our place: the status says what is known.
    }
    for (const each of batch) each.flying = GROUNDED;
    attempt(() => this.#settle(batch, status, wait, ours, answer));
  }

  /**
   * @param {Item[]} batch
   * @param {number} status 0 when nobody answered
   * @param {number} wait seconds that the server asks for
   * @param {boolean} ours the server itself says no, and not what stands before it and may think better of it
   * @param {any} answer
   */
  #settle(batch, status, wait, ours, answer) {
    const refused = Array.isArray(answer?.items) ? answer.items : [];
    const sick = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
    const unfit = sick && (ours || (status === 413 && batch[0].size > LEAVE_BYTES));
    if (typeof answer?.stored === "number" || (unfit && refused.length)) {
      const details = new Map(refused.map((/** @type {any} */ each) => [each.item, each.detail]));
      batch.forEach((each, place) => {
        const detail = details.get(place);
        this.#remove([each], details.has(place) ? "refused" : "sent", detail);
        if (details.has(place)) this.#say(detail);
      });
      this.#failures = 0;
      this.#most = BATCH;
    } else if (unfit && (status === 401 || status === 403)) {
      this.#stopped = true;
      this.#remove(this.#items, "dropped", answer?.detail);
      this.#say(answer?.detail ?? "the key is not good here");
    } else if ((status === 413 || (unfit && [400, 409, 422].includes(status))) && batch.length > 1) {
      this.#most = batch.length >> 1; // one of them is bad: the halves will show which
    } else if (unfit) {
      this.#remove(batch, "dropped", answer?.detail);
      this.#say(answer?.detail ?? `the address answers ${status}`);
    } else if (this.#ending) {
      this.#gone = this.#stopped = true;
    } else {
      if (sick) this.#failures = Math.max(this.#failures, 5);
      if (sick) this.#say(`the address answers ${status}; it is tried again`);
      const pace = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
      this.#notBefore = performance.now() + Math.max(pace, Math.min(wait, 3600) * 1000);
    }
    this.save();
    if (this.#items.length) this.#later(0);
  }

  /** @param {string} detail said once: a page's console is not ours */
  #say(detail) {
    if (!this.#said) console.debug("unspoken:", detail);
    this.#said = true;
  }
}

/**
 * What is given up last has the lowest: what people said, then what they did, then signs of life.
 * @param {Item} item
 */
function rank({ event: { kind } }) {
  return STATED.includes(kind) ? 0 : kind === "heartbeat" ? 2 : 1;
}

/**
 * As many of the first as fit; one at least.
 * @param {Item[]} items
 * @param {number} bytes
 */
function fitting(items, bytes) {
  const end = items.findIndex((each) => (bytes -= each.size + 1) < 0);
  return end < 0 ? items : items.slice(0, Math.max(1, end));
}

/**
 * @param {string} url
 * @param {string} body
 */
function beacon(url, body) {
  return attempt(() => navigator.sendBeacon(url, body)) ?? false;
}

/**
 * The result, or undefined: storage may be forbidden, full or gone, and no page may fail for that.
 * @template T
 * @param {() => T} work
 * @returns {T | undefined}
 */
export function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}
