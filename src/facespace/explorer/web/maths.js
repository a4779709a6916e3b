// @ts-check
/** Arithmetic on latents, and their text form. Pure functions. */

/** @typedef {{origin: string, stage: number, mean: Float32Array, deviation: Float32Array, active: Float32Array,
 * spread: Float32Array, distances: Float32Array, components: Float32Array, influence: Float32Array | null,
 * impact: Float32Array | null}} Statistics */

/** A draw from N(0, 1). */
export const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** A seed for the server's generators. */
export const seed = () => Math.floor(Math.random() * 2 ** 32);

/** Where a latent lies along each component, in standard deviations. @param {Statistics} s @param {Float32Array} z */
export function coordinates(s, z) {
  const size = z.length, out = new Float32Array(s.spread.length);
  for (let k = 0; k < out.length; k++) {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += (z[d] - s.mean[d]) * s.components[k * size + d];
    out[k] = sum / s.spread[k];
  }
  return out;
}

/** A latent moved along a component by some standard deviations.
 * @param {Statistics} s @param {Float32Array} z @param {number} k @param {number} by */
export function along(s, z, k, by) {
  const out = z.slice();
  for (let d = 0; d < out.length; d++) out[d] += by * s.spread[k] * s.components[k * out.length + d];
  return out;
}

/** Of 100 faces of the space, how many are nearer to its middle than this latent (Mahalanobis distance).
 * @param {Statistics} s @param {Float32Array} z */
export function percentile(s, z) {
  const distance = Math.hypot(...coordinates(s, z));
  let low = 0;
  while (low < 100 && s.distances[low + 1] <= distance) low++;
  return distance >= s.distances[100] ? 100 : low;
}

/** @param {Float32Array} z */
export function toText(z) {
  const bytes = new Uint8Array(z.buffer, z.byteOffset, z.byteLength);
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Throws an Error with a sentence for anything but `size` finite numbers. @param {unknown} text @param {number} size */
export function fromText(text, size) {
  if (typeof text !== 'string' || text.length > 8 * size + 8) throw new Error('This holds no latent of this space.');
  let raw = '';
  try { raw = atob(text.replaceAll('-', '+').replaceAll('_', '/')); } catch { raw = ''; }
  if (raw.length !== 4 * size) throw new Error(`This holds no latent of this space, which has ${size} numbers.`);
  const z = new Float32Array(Uint8Array.from(raw, (c) => c.charCodeAt(0)).buffer);
  if (!z.every((value) => Number.isFinite(value) && Math.abs(value) < 1e6)) throw new Error('This latent holds numbers that no face has.');
  return z;
}

/** The bytes of latents one after another. @param {Float32Array[]} rows */
export function pack(rows) {
  const out = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) { out.set(row, at); at += row.length; }
  return new Uint8Array(out.buffer);
}
