// @ts-check
/** What the page knows of its connection to the model, whichever transport carries the requests. */

/** @typedef {'ready' | 'disconnected' | 'refused'} Status */
/** @typedef {{loaded: number, total: number}} Progress bytes of the model */

export const connection = {
  /** Number of the current connection: what the other side keeps for the page ends with it. */
  number: 0,
  /** @type {(status: Status) => void} */
  onstatus: () => {},
  /** Called with the model's time for each reply that holds a picture. @type {(milliseconds: number) => void} */
  onlatency: () => {},
  /** Called while a static page loads the model, and with null when it plays. @type {(now: Progress | null) => void} */
  onprogress: () => {},
  /** Called with a sentence where this browser cannot run the model of a static page. */
  /** @type {(sentence: string) => void} */
  onproblem: () => {},
};
