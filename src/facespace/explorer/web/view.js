// @ts-check
/** What is set on the page beside the face: open tabs and the settings of every panel. Kept for this tab, so that a
 * reload finds all of it. Panels read and change it through state.js and fields.js. */

import { readItem, sessionStore, writeItem } from './storage.js';

/** @typedef {import('./types.js').BottomPanel} BottomPanel */
/** @typedef {import('./types.js').EditTab} EditTab */
/** @typedef {import('./types.js').SourcePanel} SourcePanel */
/** @typedef {import('./types.js').Tool} Tool */
/** @typedef {typeof view} View */

const KEY = 'view';
const LONGEST = 80; // characters of a setting

/** Standard deviation of random draws where a space names none: fewer faces are broken than at 1. */
export const TRUNCATION = 0.8;

export const view = {
  source: /** @type {SourcePanel} */ ('random'),
  edit: /** @type {EditTab} */ ('attributes'),
  bottom: /** @type {BottomPanel} */ ('history'),
  part: 'source', // of a narrow page
  smooth: true, // whether enlarged faces are interpolated
  split: false, // whether the original is shown beside the face
  range: 3, // reach of the sliders in standard deviations
  truncation: TRUNCATION, // standard deviation of random draws
  asked: /** @type {Record<string, string>} */ ({}), // attributes of random faces: 'yes' or 'no'
  guidance: 1, // of random faces that are asked for attributes
  heat: true, // whether the heat map of a slider is shown
  all: false, // whether every slider is shown
  wall: true, // whether raw dimensions are a wall of sliders
  keepPerson: false, // whether an edit of an attribute is closed-loop
  sensitive: false, // whether labels that judge a person are shown
  sorts: /** @type {Record<string, string>} */ ({}), // order of the sliders by panel
  padX: '', // the axis of the pad from left to right, as in pad_axes.js; empty: the first
  padY: '', // from bottom to top; empty: the second
  padSheet: '5', // faces of its contact sheet in a row; 0: none
  mixClick: 'face', // what a click on a child of the mix does: 'face' or 'parent'
  prior: '', // empty: the space's default
  seed: Math.floor(Math.random() * 2 ** 32),
  interpolation: 'linear',
  loopMode: 'loop',
  easing: 'linear',
  keySeconds: 2, // of a morph, from one keyframe to the next
  format: 'gif',
  exportSize: 512, // pixels of the shorter side of a morph's file
  exportAspect: 'face',
  drawOn: 'board', // where strokes go: 'board' or 'face'
  tool: /** @type {Tool} */ ('pen'),
  colour: '',
  width: 10, // of a stroke, in pixels of the canvas
  mirror: false,
  blend: 0.5, // of a drawing towards the mean
  meanFace: true, // whether it lies under the drawing
  reconstruction: true, // whether it is shown beside the drawing
  mapMethod: 'pca',
  mapColour: '',
  mapMode: 'load',
};

/** @type {Record<string, (value: any) => boolean>} */
const VALID = {
  string: (value) => value.length <= LONGEST,
  number: Number.isFinite,
  boolean: () => true,
  object: (value) => value !== null && Object.values(value).every((item) => typeof item === 'string'),
};

/** Takes those settings of an untrusted object that are of the right kind. @param {any} given */
function take(given) {
  for (const [name, value] of Object.entries(view)) {
    const other = given?.[name];
    if (typeof other === typeof value && VALID[typeof value](other)) Object.assign(view, { [name]: other });
  }
}

/** Keeps the settings for this tab; where the store is full, the page goes on without it. */
export const storeView = () => writeItem(sessionStore, KEY, view);

readItem(sessionStore, KEY, take); // what this tab had before it was loaded again
