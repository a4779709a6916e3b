// @ts-check
/** The landmarks of the photos of this tab as a table, which facespace reads beside the photos (points.csv). */

/** @typedef {import('./types.js').Landmarks} Landmarks */

export const POINTS_FILE = 'points.csv';
const POINTS = ['lefteye', 'righteye', 'nose', 'leftmouth', 'rightmouth'];
const HEADER = ['image_id', ...POINTS.flatMap((point) => [`${point}_x`, `${point}_y`])].join(',');

/** A row for each photo by its name. @type {Map<string, string>} */
const rows = new Map();

/**
 * Adds the landmarks of a photo, or replaces them. Returns the number of photos in the table.
 * @param {string} name of its file
 * @param {Landmarks} landmarks
 * @param {number} scale pixels of the file for each pixel of the landmarks
 */
export function addPoints(name, landmarks, scale) {
  const cells = landmarks.flatMap((point) => (point ? point.map((value) => (value * scale).toFixed(1)) : ['', '']));
  rows.set(name, [`"${name.replaceAll('"', '""')}"`, ...cells].join(','));
  return rows.size;
}

/** The table as a file. */
export const pointsFile = () => new Blob([[HEADER, ...rows.values(), ''].join('\n')], { type: 'text/csv' });

/** Empties the table. */
export const forgetPoints = () => rows.clear();
