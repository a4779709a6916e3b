// @ts-check
/** The latents of a morph through keyframes, as latent/morph.py and latent/paths.py plan them: which latents lie
 * between, and at which of them each frame is taken. Decodes nothing itself; pictures come from a function. */

import { plus } from '../maths.js';
import { geodesicPaths } from './geodesic.js';

/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {(where: number[]) => Float32Array[]} Path places on the path, whole at keyframes, to latents */
/**
 * What a path depends on beside its keyframes.
 * @typedef {object} PathTools
 * @property {Float32Array} center (D,) of circles: the mean of the prior
 * @property {import('./geodesic.js').Guide | null} [guide] of geodesic paths, where the space has one
 * @property {(rows: Float32Array[]) => Promise<Picture[]>} decode
 */
/** @typedef {{frames: number, interpolation: string, loop_mode: string, easing?: string}} PathFields */

const SAMPLES = 32; // places a segment at which the change of the face is measured
const MOST_FRAMES = 900;
const MOST_KEYFRAMES = 12;
const LOOP_MODES = ['once', 'loop', 'pingpong'];
const RGB = [0, 1, 2]; // places in a pixel's RGBA

const smooth = (/** @type {number} */ t) => t * t * (3 - 2 * t);
/**
 * The share of a segment's time to that of its length, as latent/morph.py.
 * @type {Record<string, (t: number) => number>}
 */
const EASINGS = {
  linear: (t) => t,
  smooth,
  hold: (t) => smooth(Math.min(1, Math.max(0, (t - 0.15) / 0.7))),
};

/**
 * The latents of the frames of a morph. Between frames the face changes equally much. The first frame is the first
 * keyframe; the last is the last keyframe, or the one before the first keyframe where the path is closed. Throws an
 * Error with a sentence for fields that cannot be.
 * @param {Float32Array[]} keyframes
 * @param {PathFields} fields
 * @param {PathTools} tools
 */
export async function path(keyframes, fields, tools) {
  check(keyframes, fields, tools);
  const mode = fields.loop_mode;
  const stops = mode === 'loop' ? [...keyframes, keyframes[0]] : keyframes;
  const forward = stops.length - 1;
  const between = INTERPOLATIONS[fields.interpolation](stops, tools);
  const onPath = (/** @type {number} */ where) => {
    const at = mode === 'pingpong' ? forward - Math.abs(forward - where) : where;
    const segment = Math.min(Math.floor(at), forward - 1);
    return between(segment, Math.fround(at - segment));
  };
  const walk = (/** @type {number[]} */ places) => places.map(onPath);
  const closed = mode !== 'once';
  const segments = mode === 'pingpong' ? 2 * forward : forward;
  const needed = segments + (closed ? 0 : 1);
  if (fields.frames < needed) {
    throw new Error(`This morph has ${needed} key frames and needs at least ${needed} frames; got ${fields.frames}.`);
  }
  const distances = await measureSegments(walk, forward, tools.decode);
  // The way back shows the same faces in the opposite order.
  if (mode === 'pingpong') distances.push(...[...distances].reverse().map(reversed));
  return walk(framePositions(fields.frames, distances, closed, fields.easing));
}

/**
 * @param {Float32Array[]} keyframes
 * @param {PathFields} fields
 * @param {PathTools} tools
 */
function check(keyframes, { frames, interpolation, loop_mode: mode, easing = 'linear' }, { guide }) {
  if (keyframes.length > MOST_KEYFRAMES) {
    throw new Error(`A morph goes through at most ${MOST_KEYFRAMES} faces; got ${keyframes.length}.`);
  }
  if (keyframes.length < 2) throw new Error(`A morph goes through at least two faces; got ${keyframes.length}.`);
  if (!Number.isInteger(frames) || frames < 2 || frames > MOST_FRAMES) {
    throw new Error(`frames is a whole number from 2 to ${MOST_FRAMES}; got ${frames}.`);
  }
  if (!Object.hasOwn(EASINGS, easing)) {
    throw new Error(`Unknown easing '${easing}'. Known: ${Object.keys(EASINGS).join(', ')}.`);
  }
  if (!LOOP_MODES.includes(mode)) throw new Error(`Unknown loop mode '${mode}'. Known: ${LOOP_MODES.join(', ')}.`);
  if (interpolation === 'geodesic' && !guide) {
    throw new Error(
      'A geodesic path follows the density of the prior, which this page has of Gaussian priors and flows alone. ' +
        'Choose linear or spherical, or open the space with: facespace explore',
    );
  }
  if (!Object.hasOwn(INTERPOLATIONS, interpolation)) {
    throw new Error(`Unknown interpolation '${interpolation}'. Known: ${Object.keys(INTERPOLATIONS).join(', ')}.`);
  }
}

/**
 * The straight line between latents at t in [0, 1].
 * @param {Float32Array} start
 * @param {Float32Array} end
 * @param {number} t
 */
const lerp = (start, end, t) => start.map((value, d) => (1 - t) * value + t * end[d]);

/**
 * The great circle about `center` between latents at t in [0, 1]; the distance from the centre changes linearly.
 * Parallel and opposite ends fall back to the line (Shoemake, 1985).
 * @param {Float32Array} start
 * @param {Float32Array} end
 * @param {number} t
 * @param {Float32Array} center
 */
function slerp(start, end, t, center) {
  const [a, b] = [start, end].map((latent) => Float64Array.from(plus(latent, [center], [-1])));
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)];
  let cosine = 0;
  for (let d = 0; d < a.length; d++) cosine += (a[d] / Math.max(lengthA, 1e-12)) * (b[d] / Math.max(lengthB, 1e-12));
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
  const parallel = Math.sin(angle) < 1e-6 || lengthA * lengthB === 0;
  if (parallel || t === 0 || t === 1) return lerp(start, end, t);
  const length = ((1 - t) * lengthA + t * lengthB) / Math.sin(angle);
  const [shareA, shareB] = [Math.sin((1 - t) * angle) / lengthA, Math.sin(t * angle) / lengthB];
  return center.map((value, d) => value + length * (shareA * a[d] + shareB * b[d]));
}

/** @type {Record<string, (stops: Float32Array[], tools: PathTools) => import('./geodesic.js').Between>} */
const INTERPOLATIONS = {
  linear: (stops) => (segment, t) => lerp(stops[segment], stops[segment + 1], t),
  spherical: (stops, { center }) => (segment, t) => slerp(stops[segment], stops[segment + 1], t, center),
  geodesic: (stops, { guide }) => geodesicPaths(stops, /** @type {import('./geodesic.js').Guide} */ (guide)),
};

/**
 * For each segment how far the face has changed since its start, at each of 33 even places.
 * @param {Path} walk
 * @param {number} segments
 * @param {PathTools['decode']} decode
 */
async function measureSegments(walk, segments, decode) {
  /** @type {number[][]} */
  const distances = [];
  for (let segment = 0; segment < segments; segment++) {
    const places = Array.from({ length: SAMPLES + 1 }, (_, place) => segment + place / SAMPLES);
    const faces = await decode(walk(places));
    const covered = [0];
    for (let place = 0; place < SAMPLES; place++) {
      covered.push(covered[place] + blurredDistance(faces[place], faces[place + 1]));
    }
    distances.push(covered);
  }
  return distances;
}

/** @param {number[]} covered */
const reversed = (covered) => [...covered].reverse().map((distance) => covered[covered.length - 1] - distance);

/**
 * The root mean squared difference of two pictures' pixels in [0, 1] after a blur of one pixel, which removes the
 * effect of rounding.
 * @param {Picture} face
 * @param {Picture} other
 */
export function blurredDistance({ pixels, width, height }, other) {
  let sum = 0;
  for (const colour of RGB) {
    const difference = new Float64Array(width * height);
    for (let i = 0; i < difference.length; i++) difference[i] = pixels[4 * i + colour] - other.pixels[4 * i + colour];
    const blurred = blur(blur(difference, width, height, 1, width), height, width, width, 1);
    for (const value of blurred) sum += (value / 255) ** 2;
  }
  return Math.sqrt(sum / (width * height * RGB.length));
}

/**
 * Blur of lines of numbers by the binomial weights 1, 4, 6, 4, 1; the edge is repeated.
 * @param {Float64Array} values
 * @param {number} length of a line
 * @param {number} lines
 * @param {number} step from a number to the next of its line
 * @param {number} stride from a line to the next
 */
function blur(values, length, lines, step, stride) {
  const result = new Float64Array(values.length);
  const last = length - 1;
  for (let line = 0; line < lines; line++) {
    const start = line * stride;
    for (let place = 0; place < length; place++) {
      const outer = values[start + Math.max(0, place - 2) * step] + values[start + Math.min(last, place + 2) * step];
      const inner = values[start + Math.max(0, place - 1) * step] + values[start + Math.min(last, place + 1) * step];
      const at = start + place * step;
      result[at] = (outer + 4 * inner + 6 * values[at]) / 16;
    }
  }
  return result;
}

/**
 * The place of each frame on a path whose segments have such distances. Every keyframe has a frame of its own.
 * @param {number} frames
 * @param {number[][]} distances
 * @param {boolean} closed whether the frame after the last is the first
 * @param {string} [easing] a key of EASINGS
 */
export function framePositions(frames, distances, closed, easing = 'linear') {
  const lengths = distances.map((covered) => covered[SAMPLES]);
  /** @type {number[]} */
  const places = [];
  for (const [segment, count] of share(lengths, closed ? frames : frames - 1).entries()) {
    for (let i = 0; i < count; i++) {
      const eased = EASINGS[easing](i / count);
      places.push(segment + inverse(distances[segment], eased * lengths[segment], eased));
    }
  }
  if (!closed) places.push(distances.length);
  return places;
}

/**
 * How many of the steps each segment gets, at least one: each next step is added where steps are longest.
 * @param {number[]} lengths
 * @param {number} steps
 */
function share(lengths, steps) {
  const moves = lengths.some((length) => length > 0);
  const sizes = moves ? lengths : lengths.map(() => 1);
  const counts = lengths.map(() => 1);
  for (let left = steps - lengths.length; left > 0; left--) {
    let longest = 0;
    for (const [segment, size] of sizes.entries()) {
      if (size / counts[segment] > sizes[longest] / counts[longest]) longest = segment;
    }
    counts[longest] += 1;
  }
  return counts;
}

/**
 * The share of a segment at which a height of its distances is reached.
 * @param {number[]} covered ascending, at even places
 * @param {number} height
 * @param {number} even the share where the face does not change
 */
function inverse(covered, height, even) {
  if (covered[SAMPLES] <= 0) return even;
  let right = 1;
  while (right < SAMPLES && covered[right] <= height) right++;
  const [low, high] = [covered[right - 1], covered[right]];
  const part = (height - low) / Math.max(high - low, 1e-300);
  return (right - 1 + Math.max(0, Math.min(1, part))) / SAMPLES;
}
