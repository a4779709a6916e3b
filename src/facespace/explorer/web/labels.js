// @ts-check
/** How attributes are named, and which of them are shown on request only. */

import { state } from './state.js';

// Judgements about a person, or traits that a picture cannot show.
const SENSITIVE = new Set([
  ...['Attractive', 'Attractive_Man', 'Attractive_Woman', 'Chubby', 'Double_Chin', 'Pale_Skin', 'Big_Nose', 'Big_Lips'],
  ...['Pointy_Nose', 'Asian', 'White', 'Black', 'Indian', 'Male', 'Ugly', 'Obese', 'Narrow_Eyes', 'Oval_Face'],
  ...['Round_Jaw', 'Heavy_Makeup'],
]);

/** @param {string} name */
export const displayName = (name) => name.replaceAll('_', ' ');

/** @param {string} name */
export const isSensitive = (name) => SENSITIVE.has(name);

/** Whether a label is shown, in every panel alike. @param {string} name */
export const isShown = (name) => state.view.sensitive || !SENSITIVE.has(name);
