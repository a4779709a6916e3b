// @ts-check
/** The axes that the pad can have, and the plane that two of them span around a face. Shows nothing. */

import { lockedDirections, shownDirections } from './attribute_axes.js';
import { componentDirection, moveOf, scoreOf } from './directions.js';
import { displayName } from './labels.js';
import { plus } from './maths.js';
import { state } from './state.js';

/** @typedef {import('./types.js').Direction} Direction */
/**
 * @typedef {object} PadAxis
 * @property {string} key which the view keeps
 * @property {string} label
 * @property {string} group
 * @property {Direction} direction
 * @property {boolean} locked in its own panel
 */
/** @typedef {{x: number, y: number}} Point values of both axes in standard deviations */

/** @returns {PadAxis[]} */
export const padAxes = () => [...attributeAxes(), ...componentAxes()];

/** @returns {PadAxis[]} */
function attributeAxes() {
  return shownDirections('usual').map((direction) => {
    const { name, own } = direction;
    const group = own ? 'Your own' : 'Attributes';
    const locked = state.locks.attributes.has(name);
    return { key: `attributes:${name}`, label: displayName(name), group, direction, locked };
  });
}

/** @returns {PadAxis[]} */
function componentAxes() {
  const { statistics } = state;
  if (!statistics) return [];
  const used = [...statistics.componentStd.keys()].filter((k) => statistics.componentStd[k] > 0);
  return used.map((k) => {
    const direction = componentDirection(statistics, k);
    const locked = state.locks.components.has(k);
    return { key: `components:${k}`, label: direction.name, group: 'Components', direction, locked };
  });
}

/**
 * The two axes that are chosen; where there is no such one, the first that is free. Null where there are no two.
 * @param {PadAxis[]} axes
 * @returns {[PadAxis, PadAxis] | null}
 */
export function chosenAxes(axes) {
  const named = (/** @type {string} */ key) => axes.find((axis) => axis.key === key);
  const other = named(state.view.padY);
  const x = named(state.view.padX) ?? axes.find((axis) => axis !== other);
  const y = other && other !== x ? other : axes.find((axis) => axis !== x);
  return x && y ? [x, y] : null;
}

/**
 * The plane of two axes: how a face moves in it. Locked attributes stay, and so does an axis that is locked itself.
 * Throws an Error with a sentence for axes that are no two.
 */
export class Plane {
  /**
   * @param {PadAxis} x
   * @param {PadAxis} y
   */
  constructor(x, y) {
    this.x = x;
    this.y = y;
    this.right = stepOf(x, y);
    this.up = stepOf(y, x);
  }

  /**
   * @param {Float32Array} z
   * @returns {Point}
   */
  read(z) {
    return { x: scoreOf(this.x.direction, z), y: scoreOf(this.y.direction, z) };
  }

  /**
   * A face moved to a point, but for what is locked.
   * @param {Float32Array} z
   * @param {Point} to
   */
  move(z, to) {
    const from = this.read(z);
    return plus(z, [this.right, this.up], [to.x - from.x, to.y - from.y]);
  }
}

/**
 * The move that raises the value of one axis by one standard deviation.
 * @param {PadAxis} axis
 * @param {PadAxis} other whose value stays
 */
function stepOf(axis, other) {
  const { direction } = axis;
  if (axis.locked) return new Float32Array(direction.step.length);
  alone(axis, other);
  const isAxis = (/** @type {string} */ name) => name === direction.name || name === other.direction.name;
  return moveOf(direction, [other.direction, ...lockedDirections(isAxis)]);
}

/**
 * Throws where the axes are nearly the same direction.
 * @param {PadAxis} axis
 * @param {PadAxis} other
 */
function alone(axis, other) {
  try {
    moveOf(axis.direction, [other.direction]);
  } catch {
    throw new Error(`${axis.label} and ${other.label} are nearly the same direction. Choose another one.`);
  }
}
