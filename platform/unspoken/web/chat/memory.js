// What this browser remembers of the chat. Private modes have no storage, or one that throws: then a page view is all.

const PREFIX = "unspoken.chat.";
const LARGEST = 1_500_000; // characters of one conversation; a longer one is not remembered
const held = new Map();

export function recall(name) {
  if (held.has(name)) return held.get(name);
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function remember(name, value) {
  held.set(name, value);
  try {
    const said = JSON.stringify(value);
    if (said.length > LARGEST) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, said);
  } catch {
    // it lives as long as the page
  }
}

/** The name under which it is kept, by which other tabs tell of it. */
export function stored(name) {
  return PREFIX + name;
}

export function forget(name) {
  held.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // nothing was kept
  }
}

/** A random id; crypto.randomUUID needs a secure context, and this page may be served over plain HTTP in a LAN. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The number under which this browser's events stand; made when something is recorded for the first time. */
export function visitor() {
  let known = recall("visitor");
  if (typeof known !== "string" || !/^[\w-]{8,100}$/.test(known)) {
    known = newId();
    remember("visitor", known);
  }
  return known;
}

/** Whether the browser asks not to be followed. */
export function asksForPrivacy() {
  return navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
}
