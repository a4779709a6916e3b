// @ts-check
/** The requests of a static page that need what only a page has, such as a canvas that is recorded, and that the
 * worker therefore cannot answer alone: one row for each. */

/** @typedef {(name: string, fields: Record<string, unknown>, payload: Uint8Array | Uint8ClampedArray) => Promise<any>} Ask */
/**
 * @typedef {(fields: Record<string, unknown>, payload: Uint8Array | Uint8ClampedArray, ask: Ask) => Promise<any>}
 *   PageHandler the reply: a header and a payload
 */

/** @type {Record<string, PageHandler>} */
export const pageHandlers = {};
