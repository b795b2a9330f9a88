/** The browser SDK's types. What each call records, and when: docs/browser.md. */

/** What became of an event: it waits, the server has stored it, the server refused it, or it was given up. */
export type Fate = "queued" | "sent" | "refused" | "dropped";

/** Everything, only what people say about answers, or nothing at all. */
export type Consent = "all" | "votes" | "none";

/** Milliseconds. The defaults are meant; tests are in more of a hurry. */
export interface Timing {
  /** How often the screen is looked at. */
  tick: number;
  /** Between two heartbeats, and between two when nobody has moved for `idle`. */
  beat: number;
  rest: number;
  /** Without activity for this long is a pause; until then reading counts as active. */
  pause: number;
  /** Without activity for longer than this is no reading, and no pause. */
  idle: number;
  /** Off the screen for this long is off it for good. */
  away: number;
}

export interface Options {
  /** A write key or a message token: whoever looks at the page can see it. */
  key: string;
  /** Where the server is, if this module did not come from it. */
  endpoint?: string;
  conversation?: string;
  user?: string;
  consent?: Consent;
  /** Version and purposes agreed to, as `2026-10:service,analytics,training`. */
  consentVersion?: string;
  /** Random assignments in force. */
  arm?: Record<string, unknown>;
  /** Tells the console what was ignored. */
  debug?: boolean;
  timing?: Partial<Timing>;
  onEvent?: (event: Record<string, any>, fate: Fate, detail?: string) => void;
}

export interface Answer {
  /** What is rendered so far: the text, or how many characters. */
  text(soFar: string | number): void;
  finish(finish?: "complete" | "length" | "stopped" | "error"): void;
}

export interface Unspoken {
  conversation(id: string): void;
  stream(given: {
    message: string;
    /** Where it is rendered, or how to find that. */
    element: Element | (() => Element | null) | null;
    parent?: string;
    displayed?: string;
    conversation?: string;
  }): Answer;
  show(given: {
    message: string;
    element: Element | (() => Element | null) | null;
    chars?: number;
    parent?: string;
    conversation?: string;
  }): void;
  message(given: {
    message: string;
    role: "user" | "assistant" | "system" | "tool";
    text: string;
    parent?: string;
    [field: string]: unknown;
  }): void;
  vote(message: string, value: 1 | -1 | 0, more?: { reasons?: string[]; comment?: string }): void;
  rating(
    message: string | null,
    given: { scale: string; value: number; lowest: number; highest: number; comment?: string },
  ): void;
  choice(given: { chosen?: string; rejected: string[]; tie?: boolean; order?: string[] }): void;
  solicit(
    message: string,
    given: { level: "none" | "soft" | "firm"; shown?: boolean; answered?: boolean; propensity?: number },
  ): void;
  regenerate(message: string, more?: { displayed?: string }): void;
  stop(message: string): void;
  select(message: string, more?: { previous?: string; displayed?: string }): void;
  edit(message: string, to: string): void;
  share(message?: string): void;
  copy(message: string, more?: { chars?: number; part?: "code" | "prose" }): void;
  consent(mode: Consent, version?: string): void;
  flush(): Promise<void>;
  shutdown(): void;
}

export function init(options: Options): Unspoken;
