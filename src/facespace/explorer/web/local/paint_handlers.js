// @ts-check
/** The request to paint on a face: by encoder and decoder alone, since a page has no gradients. */

import { roundedEven } from '../maths.js';
import { latents, withFaces } from './answers.js';
import { readWhitening } from './custom_direction.js';
import { paintedLatent } from './painting.js';

/** @typedef {import('./answers.js').Handler} Handler */
/** @typedef {import('../types.js').Size} Size */

const RGBA = 4;
const LEVELS = 255;
/** The luma of ITU-R 601-2 with the numbers of Pillow, by which the server converts. @param {number[]} colour */
const gray = ([red, green, blue]) => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/** @type {Handler} */
async function paint(call) {
  const { space, fields, payload } = call;
  const { picture, input } = await space.facts();
  const { width, height, channels } = picture;
  const size = space.site.latents * Float32Array.BYTES_PER_ELEMENT;
  const [z] = latents({ ...call, payload: payload.subarray(0, size) }, 1);
  const pixels = payload.subarray(size);
  const given = [fields.width, fields.height];
  if (given[0] !== width || given[1] !== height || pixels.length !== width * height * RGBA) {
    throw new Error(`A face of this space has ${width}×${height} pixels; the paint has ${given.join('×')}.`);
  }
  const colours = valuesOf(pixels, channels);
  const cover = new Float64Array(colours.length);
  for (let i = 0; i < cover.length; i++) cover[i] = pixels[RGBA * Math.floor(i / channels) + 3] / LEVELS;
  if (!cover.some((share) => share > 0)) throw new Error('There is no paint on this face.');
  const whitening = await space.made('whitening', (arrays) =>
    readWhitening(arrays.whitening_center, arrays.whitening_root),
  );
  const found = await paintedLatent(z, { colours, cover }, {
    encode: (values) => space.encode(padded(values, picture, input)),
    decode: async (latent) => valuesOf((await space.decode(Float32Array.from(latent), true)).pixels, channels),
    whitening,
  });
  const { header, payload: faces } = await withFaces(space, [found]);
  return { header: { ...header, cancelled: false }, payload: faces };
}

/**
 * Values in [0, 1], of one or three channels.
 * @param {Uint8Array | Uint8ClampedArray} pixels RGBA
 * @param {number} channels
 */
function valuesOf(pixels, channels) {
  const count = pixels.length / RGBA;
  const values = new Float64Array(count * channels);
  for (let i = 0; i < count; i++) {
    const colour = [...pixels.subarray(RGBA * i, RGBA * i + 3)];
    const kept = channels === 1 ? [gray(colour)] : colour;
    for (const [channel, level] of kept.entries()) values[i * channels + channel] = level / LEVELS;
  }
  return values;
}

/**
 * A face as RGBA of the encoder's size, whose margin repeats the edge.
 * @param {Float64Array} values
 * @param {Size & {channels: number}} picture
 * @param {Size} input
 */
function padded(values, { width, height, channels }, input) {
  const left = Math.floor((input.width - width) / 2);
  const top = Math.floor((input.height - height) / 2);
  const pixels = new Uint8ClampedArray(input.width * input.height * RGBA).fill(LEVELS);
  for (let i = 0; i < input.width * input.height; i++) {
    const x = Math.min(Math.max((i % input.width) - left, 0), width - 1);
    const y = Math.min(Math.max(Math.floor(i / input.width) - top, 0), height - 1);
    for (let channel = 0; channel < 3; channel++) {
      const from = (y * width + x) * channels + (channels === 1 ? 0 : channel);
      pixels[RGBA * i + channel] = roundedEven(LEVELS * values[from]);
    }
  }
  return pixels;
}

/** @type {Record<string, Handler>} */
export const paintHandlers = { paint };
