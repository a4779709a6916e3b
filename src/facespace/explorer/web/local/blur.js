// @ts-check
/** A Gaussian blur of bytes as Pillow computes it: three box blurs a direction, whose radius has a fraction (Gwosdek
 * et al., "Theoretical foundations of Gaussian convolution by extended box filtering", 2011). Pure functions. */

/** @typedef {import('./rasters.js').Raster} Raster */

const PASSES = 3;
const UNIT = 2 ** 24; // of whole-numbered weights

/**
 * @param {Raster} raster
 * @param {number} sigma pixels
 * @returns {Raster}
 */
export function blurred({ data, width, height, channels }, sigma) {
  const radius = Math.fround(boxRadius(sigma));
  const result = Uint8Array.from(data);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) blurLine(result, y * width * channels + c, channels, width, radius);
    for (let x = 0; x < width; x++) blurLine(result, x * channels + c, width * channels, height, radius);
  }
  return { data: result, width, height, channels };
}

/** @param {number} sigma of the Gaussian that three boxes of this radius approach */
function boxRadius(sigma) {
  const variance = (sigma * sigma) / PASSES;
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const fraction = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) ** 2));
  return whole + fraction;
}

/**
 * Blurs a line of numbers in place; the edge is repeated.
 * @param {Uint8Array} data
 * @param {number} start
 * @param {number} step from a number of the line to the next
 * @param {number} length
 * @param {number} radius
 */
function blurLine(data, start, step, length, radius) {
  const whole = Math.trunc(radius);
  const inner = Math.trunc(UNIT / (radius * 2 + 1));
  const outer = Math.trunc((UNIT - (whole * 2 + 1) * inner) / 2);
  const before = new Float64Array(length);
  const valueAt = (/** @type {number} */ place) => before[Math.max(0, Math.min(length - 1, place))];
  for (let pass = 0; pass < PASSES; pass++) {
    for (let place = 0; place < length; place++) before[place] = data[start + place * step];
    let sum = 0;
    for (let place = -whole - 1; place < whole; place++) sum += valueAt(place);
    for (let place = 0; place < length; place++) {
      const entering = valueAt(place + whole);
      const left = valueAt(place - whole - 1);
      sum += entering - left;
      const total = sum * inner + (left + valueAt(place + whole + 1)) * outer;
      data[start + place * step] = Math.floor((total + UNIT / 2) / UNIT);
    }
  }
}
