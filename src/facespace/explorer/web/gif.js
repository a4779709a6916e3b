// @ts-check
/** GIF files: one palette for pictures (median cut; Heckbert, 1982), an ordered dither (Bayer, 1973), and the file
 * itself with LZW. Pure functions over bytes. */

/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Size} Size */
/** @typedef {{left: number, top: number, width: number, height: number}} Box */
/** @typedef {Box & {indices: Uint8Array, delay: number}} GifFrame a part that replaces what was there; ms */
/** @typedef {{from: number, to: number, axis: number, spread: number, count: number}} Span of colours in a list */

const COLOURS = 255; // of the palette; the last entry is white
export const WHITE = 255;
const BITS = 5; // of a channel, by which colours are counted
const LEVELS = 1 << BITS;
const DITHER = 8; // levels of 255 that the dither spans, as coarse as the counted colours
const BAYER = bayer(8);
const LZW_BITS = 8;
const MOST_CODES = 4096;

/**
 * The thresholds of an ordered dither, in [−½, ½), row by row.
 * @param {number} size a power of two
 * @returns {Float32Array}
 */
function bayer(size) {
  let cells = [0];
  for (let side = 1; side < size; side *= 2) {
    const next = new Array(4 * side * side);
    for (const [i, value] of cells.entries()) {
      const [x, y] = [i % side, Math.floor(i / side)];
      for (const [dx, dy, add] of [[0, 0, 0], [1, 0, 2], [0, 1, 3], [1, 1, 1]]) {
        next[(y + dy * side) * 2 * side + x + dx * side] = 4 * value + add;
      }
    }
    cells = next;
  }
  return Float32Array.from(cells, (value) => value / (size * size) - 0.5);
}

const bin = (/** @type {number} */ r, /** @type {number} */ g, /** @type {number} */ b) =>
  ((r >> 3) << (2 * BITS)) | ((g >> 3) << BITS) | (b >> 3);

/**
 * A palette for pictures, and each picture as its indices.
 * @param {Picture[]} pictures
 */
export function quantize(pictures) {
  const counts = new Uint32Array(LEVELS ** 3);
  for (const { pixels } of pictures) {
    for (let i = 0; i < pixels.length; i += 4) counts[bin(pixels[i], pixels[i + 1], pixels[i + 2])] += 1;
  }
  const palette = medianCut(counts);
  /** The nearest entry of each colour, once it was asked for. */
  const nearest = new Int16Array(LEVELS ** 3).fill(-1);
  return { palette, indices: pictures.map((picture) => indicesOf(picture, palette, nearest)) };
}

/** @param {number} colour a bin @param {number} axis 0 red, 1 green, 2 blue */
const channel = (colour, axis) => (colour >> ((2 - axis) * BITS)) & (LEVELS - 1);

/**
 * Palette of 255 colours, then white: of the boxes of colours, the one with the most pixels times its longest side is
 * halved again and again.
 * @param {Uint32Array} counts of pixels by bin
 */
function medianCut(counts) {
  const colours = Uint32Array.from([...counts.keys()].filter((colour) => counts[colour]));
  const spans = [spanOf(colours, counts, 0, colours.length)];
  while (spans.length < COLOURS) {
    const largest = spans.reduce((best, span) => (span.spread * span.count > best.spread * best.count ? span : best));
    if (!largest.spread) break;
    spans.splice(spans.indexOf(largest), 1, ...halves(colours, counts, largest));
  }
  const palette = new Uint8Array(3 * 256).fill(255);
  for (const [i, { from, to }] of spans.entries()) palette.set(meanColour(colours.subarray(from, to), counts), 3 * i);
  return palette;
}

/**
 * @param {Uint32Array} colours
 * @param {Uint32Array} counts
 * @param {number} from
 * @param {number} to
 * @returns {Span}
 */
function spanOf(colours, counts, from, to) {
  const low = [LEVELS, LEVELS, LEVELS];
  const high = [0, 0, 0];
  let count = 0;
  for (const colour of colours.subarray(from, to)) {
    count += counts[colour];
    for (const axis of [0, 1, 2]) {
      low[axis] = Math.min(low[axis], channel(colour, axis));
      high[axis] = Math.max(high[axis], channel(colour, axis));
    }
  }
  const spreads = high.map((value, axis) => value - low[axis]);
  const spread = Math.max(...spreads);
  return { from, to, axis: spreads.indexOf(spread), spread, count };
}

/**
 * Both halves of a span, with about as many pixels.
 * @param {Uint32Array} colours
 * @param {Uint32Array} counts
 * @param {Span} span
 */
function halves(colours, counts, { from, to, axis, count }) {
  const part = colours.subarray(from, to).sort((a, b) => channel(a, axis) - channel(b, axis));
  let [middle, passed] = [1, counts[part[0]]];
  while (middle < part.length - 1 && passed < count / 2) {
    passed += counts[part[middle]];
    middle += 1;
  }
  return [spanOf(colours, counts, from, from + middle), spanOf(colours, counts, from + middle, to)];
}

/**
 * @param {Uint32Array} colours
 * @param {Uint32Array} counts
 */
function meanColour(colours, counts) {
  const sum = [0, 0, 0];
  let count = 0;
  for (const colour of colours) {
    count += counts[colour];
    for (const axis of [0, 1, 2]) sum[axis] += counts[colour] * (8 * channel(colour, axis) + 3.5);
  }
  return sum.map((value) => Math.round(value / Math.max(count, 1)));
}

/**
 * @param {Picture} picture
 * @param {Uint8Array} palette
 * @param {Int16Array} nearest
 */
function indicesOf({ pixels, width, height }, palette, nearest) {
  const indices = new Uint8Array(width * height);
  const dithered = (/** @type {number} */ value, /** @type {number} */ by) => Math.max(0, Math.min(255, value + by));
  for (let i = 0; i < indices.length; i++) {
    const by = DITHER * BAYER[(Math.floor(i / width) % 8) * 8 + ((i % width) % 8)];
    const [r, g, b] = [0, 1, 2].map((c) => dithered(pixels[4 * i + c], by));
    const colour = bin(r, g, b);
    if (nearest[colour] < 0) nearest[colour] = nearestOf(palette, colour);
    indices[i] = nearest[colour];
  }
  return indices;
}

/**
 * @param {Uint8Array} palette
 * @param {number} colour a bin
 */
function nearestOf(palette, colour) {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < 256; i++) {
    let distance = 0;
    for (const axis of [0, 1, 2]) distance += (palette[3 * i + axis] - 8 * channel(colour, axis) - 3.5) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

// ---- The file

/** Bytes that grow. */
class Bytes {
  constructor() {
    this.data = new Uint8Array(1 << 16);
    this.length = 0;
  }

  /** @param {ArrayLike<number>} values */
  add(values) {
    if (this.length + values.length > this.data.length) {
      const larger = new Uint8Array(2 * (this.length + values.length));
      larger.set(this.data.subarray(0, this.length));
      this.data = larger;
    }
    this.data.set(values, this.length);
    this.length += values.length;
  }

  /** @param {...number} values as two bytes each, the lower first */
  addWords(...values) {
    for (const value of values) this.add([value & 255, value >> 8]);
  }

  /** Blocks of 255 bytes at most, each after its length. @param {Uint8Array} data */
  addBlocks(data) {
    for (let start = 0; start < data.length; start += 255) {
      const block = data.subarray(start, start + 255);
      this.add([block.length]);
      this.add(block);
    }
    this.add([0]);
  }

  done() {
    return this.data.slice(0, this.length);
  }
}

const ascii = (/** @type {string} */ text) => Uint8Array.from(text, (character) => character.charCodeAt(0) & 127);

/**
 * A looping GIF of 256 colours. The first frame covers everything.
 * @param {Size} size
 * @param {Uint8Array} palette (768,)
 * @param {GifFrame[]} frames
 * @param {string} comment
 */
export function writeGif({ width, height }, palette, frames, comment) {
  const file = new Bytes();
  file.add(ascii('GIF89a'));
  file.addWords(width, height);
  file.add([0xf7, 0, 0]);
  file.add(palette);
  file.add([0x21, 0xff, 11, ...ascii('NETSCAPE2.0'), 3, 1, 0, 0, 0]);
  file.add([0x21, 0xfe]);
  file.addBlocks(ascii(comment));
  for (const frame of frames) {
    file.add([0x21, 0xf9, 4, 4]);
    file.addWords(Math.round(frame.delay / 10));
    file.add([0, 0, 0x2c]);
    file.addWords(frame.left, frame.top, frame.width, frame.height);
    file.add([0, LZW_BITS]);
    file.addBlocks(packLzw(frame.indices));
  }
  file.add([0x3b]);
  return file.done();
}

/**
 * The LZW code stream of indices with 8 bits.
 * @param {Uint8Array} indices
 */
function packLzw(indices) {
  const [clear, end] = [1 << LZW_BITS, (1 << LZW_BITS) + 1];
  const out = new Bytes();
  let [size, buffer, filled] = [LZW_BITS + 1, 0, 0];
  const emit = (/** @type {number} */ code) => {
    buffer |= code << filled;
    filled += size;
    while (filled >= 8) {
      out.add([buffer & 255]);
      buffer >>= 8;
      filled -= 8;
    }
  };
  /** The code of a known string and the index after it. @type {Map<number, number>} */
  let codes = new Map();
  let next = end + 1;
  emit(clear);
  let prefix = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const key = (prefix << 8) | indices[i];
    const known = codes.get(key);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    emit(prefix);
    codes.set(key, next);
    if (next === 1 << size) size += 1;
    next += 1;
    if (next === MOST_CODES) {
      emit(clear);
      codes = new Map();
      [size, next] = [LZW_BITS + 1, end + 1];
    }
    prefix = indices[i];
  }
  emit(prefix);
  emit(end);
  if (filled) out.add([buffer & 255]);
  return out.done();
}
