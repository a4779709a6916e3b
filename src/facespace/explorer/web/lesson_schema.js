// @ts-check
/** Lessons as JSON (docs/lessons.md): what is read is untrusted, and each mistake has a sentence that says where it is
 * and what is expected. Pure functions. */

/** @typedef {import('./types.js').Condition} Condition */
/** @typedef {import('./types.js').Lesson} Lesson */
/** @typedef {import('./types.js').LessonStep} LessonStep */
/** @typedef {{value: Rule, amount?: [name: string, rule: Rule]}} Kind what a condition holds beside its name */
/** @typedef {{is: (value: any) => boolean, expected: string}} Rule */

export const LESSON_KIND = 'facespace-lesson';
const VERSION = 1;
const MOST_STEPS = 40;
const MOST_CONDITIONS = 6;
const LONGEST_TITLE = 80;
const LONGEST_TEXT = 1200;
const TABS = [
  ...['random', 'draw', 'photo', 'map', 'mix', 'saved', 'attributes', 'components', 'raw', 'pad'],
  ...['history', 'morph'],
];

/**
 * @param {string} expected
 * @param {(value: any) => boolean} is
 * @returns {Rule}
 */
const rule = (expected, is) => ({ expected, is });

/** @param {string[]} values */
const oneOf = (values) => rule(`one of ${values.join(', ')}`, (value) => values.includes(value));

/**
 * @param {number} low
 * @param {number} high
 */
const whole = (low, high) =>
  rule(`a whole number from ${low} to ${high}`, (value) => Number.isInteger(value) && value >= low && value <= high);

/** @param {number} most */
function text(most) {
  const is = (/** @type {any} */ value) => typeof value === 'string' && value.length > 0 && value.length <= most;
  return rule(`a text of 1 to ${most} characters`, is);
}

const positive = rule('a number above 0', (value) => Number.isFinite(value) && value > 0);
const nonZero = rule('a number other than 0', (value) => Number.isFinite(value) && value !== 0);

/** The conditions that a step may have. @type {Record<string, Kind>} */
const KINDS = {
  open: { value: oneOf(TABS) },
  moved: { value: text(LONGEST_TITLE), amount: ['by', nonZero] },
  kept: { value: text(LONGEST_TITLE), amount: ['within', positive] },
  locked: { value: text(LONGEST_TITLE) },
  drawn: { value: text(LONGEST_TITLE) },
  compared: { value: oneOf(['any', 'photo']) },
  typicality: { value: oneOf(['below', 'above']), amount: ['ratio', positive] },
  keyframes: { value: whole(2, 12) },
  saved: { value: whole(1, 100) },
  parents: { value: whole(2, 4) },
  strokes: { value: whole(1, 100) },
  space: { value: text(LONGEST_TITLE) },
};

/**
 * Whether a document claims to be a lesson.
 * @param {any} document
 */
export const isLesson = (document) => document?.kind === LESSON_KIND;

/**
 * Reads a lesson. Throws an Error with a sentence for what is not one.
 * @param {any} given
 * @returns {Lesson}
 */
export function readLesson(given) {
  if (!isLesson(given)) throw new Error(`The lesson: "kind" is "${LESSON_KIND}"; found ${shown(given?.kind)}.`);
  if (given.version !== VERSION) fail('The lesson', 'version', `the number ${VERSION}`, given.version);
  known(given, ['kind', 'version', 'title', 'summary', 'steps'], 'The lesson');
  const title = read(given, 'title', text(LONGEST_TITLE), 'The lesson');
  const summary = given.summary === undefined ? '' : read(given, 'summary', text(LONGEST_TEXT), 'The lesson');
  const { steps } = given;
  if (!Array.isArray(steps) || !steps.length || steps.length > MOST_STEPS) {
    fail('The lesson', 'steps', `a list of 1 to ${MOST_STEPS} steps`, steps);
  }
  return { title, summary, steps: steps.map((/** @type {any} */ step, /** @type {number} */ i) => readStep(step, i)) };
}

/**
 * @param {any} given
 * @param {number} index
 * @returns {LessonStep}
 */
function readStep(given, index) {
  const where = `Step ${index + 1}`;
  if (!isObject(given)) fail('The lesson', `steps[${index}]`, 'an object', given);
  known(given, ['title', 'text', 'hint', 'done', 'spaces', 'otherwise'], where);
  const optional = (/** @type {string} */ name, /** @type {Rule} */ expected, /** @type {any} */ missing) =>
    given[name] === undefined ? missing : read(given, name, expected, where);
  const spaces = optional('spaces', whole(1, 16), 1);
  const otherwise = optional('otherwise', text(LONGEST_TEXT), '');
  if (spaces > 1 && !otherwise) fail(where, 'otherwise', 'a text for a page with fewer spaces', given.otherwise);
  const list = given.done === undefined ? [] : [given.done].flat();
  if (list.length > MOST_CONDITIONS) fail(where, 'done', `at most ${MOST_CONDITIONS} conditions`, given.done);
  return {
    title: optional('title', text(LONGEST_TITLE), ''),
    text: read(given, 'text', text(LONGEST_TEXT), where),
    hint: optional('hint', text(LONGEST_TEXT), ''),
    done: list.map((condition, i) => readCondition(condition, `${where}, condition ${i + 1}`)),
    spaces,
    otherwise,
  };
}

/**
 * @param {any} given
 * @param {string} where
 * @returns {Condition}
 */
function readCondition(given, where) {
  const names = Object.keys(KINDS);
  const found = isObject(given) ? Object.keys(given).filter((key) => key in KINDS) : [];
  if (found.length !== 1) {
    throw new Error(`${where} is an object with one of ${names.join(', ')}; found ${shown(given)}.`);
  }
  const [kind] = found;
  const { value: expected, amount } = KINDS[kind];
  known(given, [kind, ...(amount ? [amount[0]] : [])], where);
  const value = read(given, kind, expected, where);
  return { kind, value, amount: amount ? read(given, amount[0], amount[1], where) : 0 };
}

/**
 * @param {any} given
 * @param {string} name
 * @param {Rule} expected
 * @param {string} where
 */
function read(given, name, expected, where) {
  const value = given[name];
  if (!expected.is(value)) fail(where, name, expected.expected, value);
  return value;
}

/**
 * @param {any} given
 * @param {string[]} names
 * @param {string} where
 */
function known(given, names, where) {
  const other = Object.keys(given).find((key) => !names.includes(key));
  if (other === undefined) return;
  throw new Error(`${where} has no "${other.slice(0, 40)}"; it may have ${names.join(', ')}.`);
}

/** @param {any} value */
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * @param {string} where
 * @param {string} name
 * @param {string} expected
 * @param {unknown} found
 */
function fail(where, name, expected, found) {
  throw new Error(`${where}: "${name}" is ${expected}; found ${shown(found)}.`);
}

/** @param {unknown} value */
function shown(value) {
  const found = value === undefined ? 'nothing' : JSON.stringify(value);
  return found.length > 60 ? `${found.slice(0, 57)}…` : found;
}
