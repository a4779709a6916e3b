// @ts-check
/** YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023): the network's input, and the faces in its
 * outputs, as OpenCV's FaceDetectorYN computes them. The network itself is run by a function. */

/** @typedef {import('./rasters.js').Raster} Raster */
/** @typedef {import('./transforms.js').Point} Point */
/** @typedef {{box: number[], points: Point[], score: number}} Face box: left, top, width, height in pixels */
/**
 * Runs the network on its `input`, float32 (1, 3, height, width). The outputs by their names in the ONNX file: of each
 * stride 8, 16 and 32 `cls_8`, `obj_8` (1, cells, 1), `bbox_8` (1, cells, 4) and `kps_8` (1, cells, 10).
 * @callback RunModel
 * @param {{data: Float32Array, dims: number[]}} input
 * @returns {Promise<Record<string, Float32Array>>}
 */

const STRIDES = [8, 16, 32];
const DIVISOR = 32; // of the sides of the input
const COLOURS = [2, 1, 0]; // the network takes blue, green, red
const LANDMARKS = 5;
const LEAST_SCORE = 0.6;
const MOST_OVERLAP = 0.3; // intersection over union of two faces

/**
 * The faces in a picture, the highest score first.
 * @param {Raster} raster RGB
 * @param {RunModel} runModel
 */
export async function findFaces(raster, runModel) {
  const input = networkInput(raster);
  const [, , height, width] = input.dims;
  return decodedFaces(await runModel(input), width, height);
}

/**
 * Levels from 0 to 255, blue first, with zeros at the right and lower edge up to multiples of 32 pixels.
 * @param {Raster} raster RGB
 */
export function networkInput({ data, width, height, channels }) {
  const [columns, rows] = [width, height].map((side) => Math.ceil(side / DIVISOR) * DIVISOR);
  const values = new Float32Array(COLOURS.length * rows * columns);
  for (const [plane, colour] of COLOURS.entries()) {
    for (let y = 0; y < height; y++) {
      const to = (plane * rows + y) * columns;
      for (let x = 0; x < width; x++) values[to + x] = data[(y * width + x) * channels + colour];
    }
  }
  return { data: values, dims: [1, COLOURS.length, rows, columns] };
}

/**
 * The faces in the outputs for an input of that size; of those that overlap the one with the highest score.
 * @param {Record<string, Float32Array>} outputs
 * @param {number} width
 * @param {number} height
 */
export function decodedFaces(outputs, width, height) {
  /** @type {Face[]} */
  const found = [];
  for (const stride of STRIDES) {
    const columns = width / stride;
    const cells = columns * (height / stride);
    const [classes, objects] = [outputs[`cls_${stride}`], outputs[`obj_${stride}`]];
    for (let cell = 0; cell < cells; cell++) {
      const score = Math.sqrt(clamped(classes[cell]) * clamped(objects[cell]));
      if (score < LEAST_SCORE) continue;
      const [column, row] = [cell % columns, Math.floor(cell / columns)];
      const box = boxOf(outputs[`bbox_${stride}`], cell, column, row, stride);
      found.push({ box, points: pointsOf(outputs[`kps_${stride}`], cell, column, row, stride), score });
    }
  }
  return withoutOverlap(found);
}

/** @param {number} value */
const clamped = (value) => Math.max(0, Math.min(1, value));

/**
 * @param {Float32Array} values
 * @param {number} cell
 * @param {number} column
 * @param {number} row
 * @param {number} stride
 */
function boxOf(values, cell, column, row, stride) {
  const [dx, dy, logWidth, logHeight] = values.subarray(4 * cell, 4 * cell + 4);
  const [width, height] = [Math.exp(logWidth) * stride, Math.exp(logHeight) * stride];
  return [(column + dx) * stride - width / 2, (row + dy) * stride - height / 2, width, height];
}

/**
 * @param {Float32Array} values
 * @param {number} cell
 * @param {number} column
 * @param {number} row
 * @param {number} stride
 */
function pointsOf(values, cell, column, row, stride) {
  /** @type {Point[]} */
  const points = [];
  for (let at = 2 * LANDMARKS * cell; at < 2 * LANDMARKS * (cell + 1); at += 2) {
    points.push([(values[at] + column) * stride, (values[at + 1] + row) * stride]);
  }
  return points;
}

/**
 * Non-maximum suppression; boxes count in whole pixels, as OpenCV's.
 * @param {Face[]} faces
 */
function withoutOverlap(faces) {
  if (faces.length < 2) return faces;
  const sorted = faces.filter(({ score }) => score > LEAST_SCORE).sort((a, b) => b.score - a.score);
  /** @type {Face[]} */
  const kept = [];
  for (const face of sorted) {
    if (kept.every((other) => overlap(face, other) <= MOST_OVERLAP)) kept.push(face);
  }
  return kept;
}

/**
 * Intersection over union.
 * @param {Face} face
 * @param {Face} other
 */
function overlap(face, other) {
  const [a, b] = [face.box.map(Math.trunc), other.box.map(Math.trunc)];
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(0, width) * Math.max(0, height);
  const total = a[2] * a[3] + b[2] * b[3];
  return total > 0 ? shared / (total - shared) : 1;
}
