// @ts-check
/** The arithmetic of a mix: weights of a point between two to four parents, the mix itself, children around it, and
 * the text of it all in documents. Pure functions; latents are mixed as `facespace mix --blend` does. */

import { clamp, dot, latentFromText, latentToText, plus, solve } from './maths.js';

/** @typedef {import('./types.js').Mix} Mix */
/** @typedef {import('./types.js').NamedLatent} NamedLatent */
/** @typedef {import('./types.js').Statistics} Statistics */
/** @typedef {{x: number, y: number}} Place in a figure, each from 0 to 1; y points down */

export const MOST_PARENTS = 4;
export const CHILDREN = 8; // around the mix
export const LARGEST_STRENGTH = 1.5;
const NAME_LENGTH = 60;
const SHORT_NAME = 18; // characters of a name in the family line
const SAME = 1e-3; // by which the numbers of a latent may differ from those of a mix

/** The corners of the figure by the number of parents: a point, a line, a triangle, a square. */
/** @type {Record<number, Place[]>} */
const CORNERS = {
  0: [],
  1: [{ x: 0.5, y: 0.5 }],
  2: [{ x: 0, y: 0.5 }, { x: 1, y: 0.5 }],
  3: [{ x: 0.5, y: 0 }, { x: 0, y: 1 }, { x: 1, y: 1 }],
  4: [{ x: 0, y: 0 }, { x: 1, y: 0 }, { x: 0, y: 1 }, { x: 1, y: 1 }],
};

/** @returns {Mix} */
export const emptyMix = () => ({ parents: [], ...middleOf(0), strength: 0.4, seed: 1 });

/** @param {number} count of parents */
export const cornersOf = (count) => CORNERS[count];

/**
 * Where all parents weigh the same.
 * @param {number} count
 */
export const middleOf = (count) => (count === 3 ? { x: 0.5, y: 2 / 3 } : { x: 0.5, y: 0.5 });

/**
 * The weights of parents at a place, which sum to 1: linear on a line, barycentric in a triangle (the nearest weights
 * for a place outside), bilinear in a square.
 * @param {number} count
 * @param {Place} place
 */
export function weightsAt(count, { x, y }) {
  if (count < 2) return count ? [1] : [];
  if (count === 3) return triangleWeights({ x, y });
  const [right, down] = [clamp(x, 0, 1), clamp(y, 0, 1)];
  if (count === 2) return [1 - right, right];
  return [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down];
}

/** @param {Place} place */
function triangleWeights({ x, y }) {
  const top = 1 - y;
  const right = x - top / 2;
  const raw = [top, 1 - top - right, right].map((weight) => Math.max(0, weight));
  const sum = raw[0] + raw[1] + raw[2];
  return raw.map((weight) => weight / sum);
}

/**
 * The place of weights: the middle of the corners by their weights, which is the inverse of weightsAt.
 * @param {number[]} weights
 * @returns {Place}
 */
export function placeOf(weights) {
  const corners = cornersOf(weights.length);
  let [x, y] = [0, 0];
  for (const [i, corner] of corners.entries()) {
    x += weights[i] * corner.x;
    y += weights[i] * corner.y;
  }
  return { x, y };
}

/**
 * The nearest place inside the figure.
 * @param {number} count of parents
 * @param {Place} place
 */
export const within = (count, place) => placeOf(weightsAt(count, place));

/**
 * The weighted mean of the parents. There is at least one.
 * @param {NamedLatent[]} parents
 * @param {number[]} weights
 */
export function blend(parents, weights) {
  const zero = new Float32Array(parents[0].z.length);
  return plus(zero, parents.map(({ z }) => z), weights);
}

/** The latent of a mix. @param {Mix} mix */
export const mixOf = (mix) => blend(mix.parents, weightsAt(mix.parents.length, mix));

/**
 * The place whose mix is a face, or null where the face is no mix of these parents.
 * @param {NamedLatent[]} parents
 * @param {Float32Array} z
 */
export function findPlace(parents, z) {
  if (parents.length < 2) return null;
  const [first, ...others] = parents;
  const sides = others.map((parent) => plus(parent.z, [first.z], [-1]));
  const wanted = plus(z, [first.z], [-1]);
  const products = sides.map((side) => sides.map((other) => dot(side, other)));
  const shares = solve(products, sides.map((side) => dot(side, wanted)));
  const rest = 1 - shares.reduce((sum, share) => sum + share, 0);
  const place = within(parents.length, placeOf([rest, ...shares]));
  const mixed = blend(parents, weightsAt(parents.length, place));
  return mixed.every((value, d) => Math.abs(value - z[d]) < SAME) ? place : null;
}

// ---- Children

/**
 * Numbers drawn from N(0, 1) by a seed: mulberry32 and the Box-Muller transform.
 * @param {number} seed
 */
function normals(seed) {
  let a = seed >>> 0;
  const uniform = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * The mix, and latents around it: each adds a draw from the distribution of faces about their mean, times the strength.
 * The same seed gives the same draws, so that children change steadily with point and strength. A place in the list is
 * a place in a grid of three rows: the mix is in the middle.
 * @param {Mix} mix
 * @param {Statistics} statistics
 */
export function childrenOf(mix, statistics) {
  const { components, componentStd, mean } = statistics;
  const center = mixOf(mix);
  const draw = normals(mix.seed);
  const rows = [];
  for (let child = 0; child < CHILDREN; child++) {
    const z = center.slice();
    for (const [k, std] of componentStd.entries()) {
      const by = mix.strength * std * draw();
      for (let d = 0; d < mean.length; d++) z[d] += by * components[k * mean.length + d];
    }
    rows.push(z);
  }
  rows.splice(CHILDREN / 2, 0, center);
  return rows;
}

// ---- Text

/**
 * Parents and their weights, such as "60 % Face 1, 40 % Smiling".
 * @param {NamedLatent[]} parents
 * @param {number[]} weights
 */
export function familyLine(parents, weights) {
  const parts = parents.map(({ name }, i) => `${Math.round(100 * weights[i])} % ${name.slice(0, SHORT_NAME)}`);
  return parts.filter((part) => !part.startsWith('0 %')).join(', ');
}

/**
 * A name that no parent has.
 * @param {string} name
 * @param {NamedLatent[]} parents
 */
export function freeName(name, parents) {
  const taken = new Set(parents.map((parent) => parent.name));
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name} ${number}`;
  return free;
}

/** Null for a mix without parents. @param {Mix} mix */
export function mixToText({ parents, x, y, strength, seed }) {
  if (!parents.length) return null;
  const named = parents.map(({ name, z }) => ({ name, z: latentToText(z) }));
  return { parents: named, x, y, strength, seed };
}

/**
 * Throws an Error with a sentence for latents that are not valid; numbers that are none become those of a new mix.
 * @param {any} given
 * @param {number} size dimensions of a latent
 * @returns {Mix}
 */
export function mixFromText(given, size) {
  const mix = emptyMix();
  if (!Array.isArray(given?.parents)) return mix;
  mix.parents = given.parents.slice(0, MOST_PARENTS).map((/** @type {any} */ parent, /** @type {number} */ i) => {
    const name = String(parent?.name).slice(0, NAME_LENGTH);
    return { id: `parent-${i}`, name, z: latentFromText(parent?.z, size) };
  });
  const { parents } = mix;
  const middle = middleOf(parents.length);
  const place = Number.isFinite(given.x) && Number.isFinite(given.y) ? { x: given.x, y: given.y } : middle;
  Object.assign(mix, within(parents.length, place));
  if (Number.isFinite(given.strength)) mix.strength = clamp(given.strength, 0, LARGEST_STRENGTH);
  if (Number.isInteger(given.seed)) mix.seed = given.seed >>> 0;
  return mix;
}
