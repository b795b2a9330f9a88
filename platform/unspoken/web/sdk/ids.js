// @ts-check
/** Ids of events and pages, and texts that every database can store. */

const began = Date.now() - performance.now();

/** The time of this page: one that is put right in the middle of a visit moves no two of its events apart. */
export function clock() {
  return Math.round(began + performance.now());
}

/** A UUID v7: in the order of their making, and nobody else's. */
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let ms = clock();
  for (let place = 5; place >= 0; place--) {
    bytes[place] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Characters as the server counts them: one for each code point, though JavaScript sees two halves of an emoji.
 * @param {string} text
 * @param {number} from where to begin
 */
export function characters(text, from = 0) {
  let count = text.length - from;
  for (let place = from; place < text.length; place++) {
    if ((text.charCodeAt(place) & 0xfc00) === 0xdc00) count--;
  }
  return count;
}

/**
 * As JSON, with U+FFFD for a NUL and for half a surrogate pair, which no database takes. A `toJSON` that the host page
 * gave to all arrays or texts, as old libraries do, is passed over.
 * @param {any} value
 * @returns {string}
 */
export function json(value) {
  return JSON.stringify(value, function (/** @type {string} */ key, /** @type {any} */ made) {
    const each = /** @type {any} */ (this)[key];
    if (typeof each === "string") return each.replace(/\0|[\ud800-\udfff]/gu, "\ufffd");
    return each && typeof each === "object" && !Array.isArray(each) ? made : each;
  });
}
