// @ts-check
/**
 * Hiding, coming back, leaving. `hidden` is the last event that can be relied on, and no leaving by itself; a page that
 * ends says so with `pagehide`, before or after it, as the browser likes. So both come here and each is told once.
 */
import { json } from "./ids.js";
import { attempt } from "./outbox.js";

/** @typedef {import("./outbox.js").Outbox} Outbox */
/** @typedef {import("./watch.js").Watch} Watch */

const KNOWN_MS = 10_000; // a navigation that has not ended the page by then was a download, or nothing

export class Leaving {
  #hidden = NaN; // when the tab was hidden, by the monotonic clock
  #told = false; // that it was
  #closed = false;
  #cached = false; // in the back/forward cache
  #going = -Infinity; // when a navigation began
  /** @type {AbortController | null} */
  #armed = null;

  /**
   * @param {Watch} watch
   * @param {Outbox} outbox
   * @param {{
   *   emit: (kind: string, fields: Record<string, any>, final?: boolean) => Record<string, any> | undefined,
   *   draft: (kind: string, fields: Record<string, any>) => Record<string, any> | undefined,
   *   present: () => boolean,
   *   renew: () => void,
   * }} page what a page view is: its events, whether anything happened in it, and how another one begins
   * @param {<F extends (...given: any[]) => any>(work: F) => F} guarded
   * @param {AbortSignal} signal
   */
  constructor(watch, outbox, page, guarded, signal) {
    this.watch = watch;
    this.outbox = outbox;
    this.page = page;
    if (document.hidden) this.#hidden = performance.now();
    const listen = (/** @type {EventTarget} */ target, /** @type {string} */ name, /** @type {(event: any) => void} */ work) =>
      target.addEventListener(name, guarded(work), { signal });
    listen(document, "visibilitychange", () => (document.hidden ? this.hide() : this.show()));
    listen(window, "pagehide", (event) => this.end(event.persisted));
    listen(window, "pageshow", (event) => event.persisted && this.show());
    const { navigation } = /** @type {any} */ (window);
    this.knows = !!navigation; // else a link or a script may have navigated, and nobody would tell
    if (!navigation) return;
    // Where the browser says that another document takes this one's place, that is known. Else a navigation that began
    // shortly before is taken for one, though it may have been a download.
    if ("onpageswap" in window) listen(window, "pageswap", () => (this.#going = performance.now()));
    else {
      listen(navigation, "navigate", ({ hashChange, downloadRequest }) => {
        if (!hashChange && downloadRequest === null) this.#going = performance.now();
      });
    }
    listen(navigation, "navigatesuccess", () => (this.#going = -Infinity)); // within the page, which lives on
  }

  hide() {
    if (this.#hidden >= 0 || this.#closed) return;
    this.#hidden = performance.now();
    const { current, phase } = this.watch;
    this.#told = this.page.present() && !!this.page.emit("hide", { message: current?.message, phase });
    this.watch.hide();
    this.outbox.hurry();
  }

  show() {
    if (this.#cached) this.page.renew();
    this.#cached = this.#closed = false;
    this.#going = -Infinity;
    if (document.hidden || !(this.#hidden >= 0)) return;
    const away = Math.round(performance.now() - this.#hidden);
    this.#hidden = NaN;
    const { current, phase } = this.watch;
    if (this.#told) this.page.emit("return", { message: current?.message, phase, away_ms: away });
    this.watch.resume(away);
    this.outbox.retry();
  }

  /** @param {boolean} cached the page may come back as it is */
  end(cached) {
    if (cached) {
      this.hide();
      this.#cached = true;
      this.disarm();
      return;
    }
    if (this.#closed) return;
    this.#closed = true;
    const fields = this.#fields(performance.now() - this.#going < KNOWN_MS);
    const close = fields && this.page.emit("close", fields, true);
    if (close && this.#armed) this.#arm(close);
    this.watch.hide();
    this.outbox.leave();
  }

  /** An answer streams: should the page end without a word, the browser says so. */
  arm() {
    const fields = this.#fields(false);
    const close = fields && this.page.draft("close", fields);
    if (close) this.#arm(close);
  }

  /**
   * A close in the browser's own hands (`fetchLater`), sent when the page has ended. It has the id of the one that the
   * page would send, so that the two are one. @param {Record<string, any>} close
   */
  #arm(close) {
    this.disarm();
    const { fetchLater } = /** @type {any} */ (window);
    if (!fetchLater) return;
    this.#armed = new AbortController();
    // Sent and received long after it was made: the server takes the time of receiving for that of the close.
    const body = this.outbox.body([{ json: json(close) }]);
    attempt(() => fetchLater(this.outbox.url, { method: "POST", body, credentials: "omit", signal: this.#armed?.signal }));
  }

  disarm() {
    this.#armed?.abort();
    this.#armed = null;
  }

  /** What the one close that this page view can have would say now. @param {boolean} navigating */
  #fields(navigating) {
    if (!this.page.present()) return undefined;
    const { current, phase } = this.watch;
    const cause = navigating ? "navigate" : this.knows ? "tab" : "unknown";
    return { message: current?.message, phase, ...current?.chars, cause };
  }
}
