// @ts-check
/** The bytes of a looping GIF89a file in one palette. Of each frame after the first only the box of pixels that changed
 * is stored. Pure but for the list of bytes that grows. */

import { joined } from './maths.js';

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

const TRANSPARENT = 255; // the entry of a pixel that stays as it was
const CODE_SIZE = 8; // bits of a colour's index
const CLEAR = 2 ** CODE_SIZE;
const END = CLEAR + 1;
const MOST_CODES = 4096;
const BLOCK = 255; // bytes of a block

/**
 * A file that frames are added to.
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} palette at most 255 colours, bytes red, green, blue
 * @param {string} comment ASCII
 */
export function gifFile(width, height, palette, comment) {
  const parts = [header(width, height, palette, comment)];
  /** @type {Uint8Array | null} */
  let before = null;
  return {
    /**
     * @param {Uint8Array} indices of the palette's colours, row by row
     * @param {number} hundredths of a second for which it is shown
     */
    add(indices, hundredths) {
      const box = before ? changedBox(indices, before, width, height) : { left: 0, top: 0, width, height };
      parts.push(frameHeader(box, hundredths), compressed(inBox(indices, before, width, box)));
      before = indices;
    },

    /** All bytes. */
    finish() {
      parts.push(Uint8Array.of(0x3b));
      return new Uint8Array(joined(...parts));
    },
  };
}

/**
 * The smallest box with all pixels that changed; one pixel where none did.
 * @param {Uint8Array} indices
 * @param {Uint8Array} before
 * @param {number} width
 * @param {number} height
 * @returns {Box}
 */
function changedBox(indices, before, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (indices[y * width + x] === before[y * width + x]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  if (bottom < 0) return { left: 0, top: 0, width: 1, height: 1 };
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/**
 * The indices of a box, of a later frame those that changed alone.
 * @param {Uint8Array} indices
 * @param {Uint8Array | null} before
 * @param {number} width
 * @param {Box} box
 */
function inBox(indices, before, width, box) {
  const part = new Uint8Array(box.width * box.height);
  for (let place = 0; place < part.length; place++) {
    const at = (box.top + Math.floor(place / box.width)) * width + box.left + (place % box.width);
    part[place] = before && before[at] === indices[at] ? TRANSPARENT : indices[at];
  }
  return part;
}

/** @param {number} value two bytes, the lower first */
const short = (value) => [value & 255, value >> 8];

/** @param {string} text ASCII */
const ascii = (text) => Array.from(text, (character) => character.charCodeAt(0) & 127);

/**
 * Size, palette, endless loop and comment.
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} palette
 * @param {string} comment
 */
function header(width, height, palette, comment) {
  const colours = new Uint8Array(3 * CLEAR);
  colours.set(palette);
  const screen = [...ascii('GIF89a'), ...short(width), ...short(height), 0xf7, 0, 0];
  const loop = [0x21, 0xff, 11, ...ascii('NETSCAPE2.0'), 3, 1, 0, 0, 0];
  const text = [0x21, 0xfe, ...blocks(ascii(comment))];
  return Uint8Array.from([...screen, ...colours, ...loop, ...text]);
}

/**
 * @param {Box} box
 * @param {number} hundredths
 */
function frameHeader({ left, top, width, height }, hundredths) {
  const keepAndTransparent = (1 << 2) | 1;
  const control = [0x21, 0xf9, 4, keepAndTransparent, ...short(hundredths), TRANSPARENT, 0];
  return Uint8Array.from([...control, 0x2c, ...[left, top, width, height].flatMap(short), 0, CODE_SIZE]);
}

/**
 * Bytes in blocks, each with its length before it, and an empty one.
 * @param {ArrayLike<number>} bytes
 */
function blocks(bytes) {
  const count = Math.ceil(bytes.length / BLOCK);
  const result = new Uint8Array(bytes.length + count + 1);
  for (let block = 0; block < count; block++) {
    const start = block * BLOCK;
    const length = Math.min(BLOCK, bytes.length - start);
    result[start + block] = length;
    for (let i = 0; i < length; i++) result[start + block + 1 + i] = bytes[start + i];
  }
  return result;
}

/**
 * The blocks of indices, compressed as Welch (1984) does, with codes of growing length.
 * @param {Uint8Array} indices
 */
function compressed(indices) {
  const bits = bitWriter();
  const following = new Uint16Array(MOST_CODES * CLEAR); // the code of a code and an index after it; 0 for none
  let [size, next] = [CODE_SIZE + 1, END + 1];
  bits.write(CLEAR, size);
  let code = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const place = code * CLEAR + indices[i];
    if (following[place]) {
      code = following[place];
      continue;
    }
    bits.write(code, size);
    code = indices[i];
    if (next === MOST_CODES) {
      bits.write(CLEAR, size);
      following.fill(0);
      [size, next] = [CODE_SIZE + 1, END + 1];
      continue;
    }
    // The reader learns a code one step later, so the length grows when its number no longer fits.
    if (next === 2 ** size) size += 1;
    following[place] = next;
    next += 1;
  }
  bits.write(code, size);
  bits.write(END, next === 2 ** size && next < MOST_CODES ? size + 1 : size);
  return blocks(bits.bytes());
}

/** Codes as bytes, the lowest bits first. */
function bitWriter() {
  let bytes = new Uint8Array(1 << 16);
  let [length, pending, count] = [0, 0, 0];
  const push = () => {
    if (length === bytes.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(bytes);
      bytes = larger;
    }
    bytes[length] = pending & 255;
    length += 1;
  };
  return {
    /**
     * @param {number} code
     * @param {number} size bits
     */
    write(code, size) {
      pending |= code << count;
      count += size;
      for (; count >= 8; count -= 8) {
        push();
        pending >>>= 8;
      }
    },

    bytes() {
      if (count > 0) push();
      return bytes.subarray(0, length);
    },
  };
}
