// @ts-check
/** The messages between a static page and its worker, and the form of stored replies. */

/**
 * The first message of the page.
 * @typedef {object} Start
 * @property {string} base address of the site
 * @property {string} list path of the list of the site's files
 * @property {string} version of the site's content
 * @property {string | null} runtime address of the module of onnxruntime-web; null where the worker holds it
 * @property {Record<string, Blob> | null} files of a page in one file, by path; null where they are fetched
 * @property {boolean} simd whether the browser can run the model
 */

/** @typedef {{id: number, name: string, fields: Record<string, unknown>, payload: Uint8Array}} Asked */
/** @typedef {{start: Start} | Asked} FromPage */
/** @typedef {{header: any, payload: ArrayBuffer}} Answer */
/**
 * @typedef {(Answer & {id: number}) | {id: number, error: string} | {loaded: string}
 *   | {progress: {loaded: number, total: number} | null}} FromWorker `loaded`: the folder of a space whose files are
 *   all there
 */

/**
 * A space of the site.
 * @typedef {object} SiteSpace
 * @property {string} name
 * @property {string} folder
 * @property {number} latents
 * @property {Record<string, SitePrior>} priors
 * @property {number} conditions attributes that the networks take beside faces and latents
 * @property {string[]} files all paths, in the order in which they are loaded
 */

/**
 * How noise becomes latents: `noise` numbers by prior.onnx, or as the model's own Gaussian.
 * @typedef {{network: boolean, noise: number, mixture: boolean}} SitePrior
 */

/**
 * @typedef {object} Site
 * @property {string} version
 * @property {SiteSpace[]} spaces
 * @property {string | null} detector path of the face detector
 * @property {Record<string, number>} bytes of each file, by path
 */

const LENGTH = 4; // bytes before the header, which hold its length

/**
 * A stored reply: the header's length (uint32), the header as JSON, and a payload of numbers.
 * @param {Uint8Array} stored
 * @returns {{header: any, payload: Uint8Array}}
 */
export function readStored(stored) {
  const length = new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);
  const text = new TextDecoder().decode(stored.subarray(LENGTH, LENGTH + length));
  return { header: JSON.parse(text), payload: stored.subarray(LENGTH + length) };
}
