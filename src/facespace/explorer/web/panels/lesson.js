// @ts-check
/** A lesson: steps of text with conditions that the page checks, above the panels that it is about. The address names
 * it (`?lesson=NAME`), or a file of the user holds it. */

import { $, announce, attempt, button, dialog, h, icon, setChildren } from '../dom.js';
import { onActivity } from '../activity.js';
import { check } from '../lesson_checks.js';
import { askedLesson, fetchLesson, LESSONS, readLessonFile, storedProgress } from '../lesson_list.js';
import { storeProgress, writeAddress } from '../lesson_list.js';
import { on, state } from '../state.js';

/** @typedef {import('../lesson_checks.js').Check} Check */
/** @typedef {import('../lesson_checks.js').Since} Since */
/** @typedef {import('../lesson_list.js').Progress} Progress */
/** @typedef {import('../types.js').Lesson} Lesson */
/** @typedef {import('../types.js').LessonStep} LessonStep */

const FOLLOWED = 'z face facts statistics directions own locks view keyframes saved mix drawing shown';
const CODE = /`([^`]+)`/;

/** @type {Progress | null} */
let progress = null;
/** @type {Since} */
let since = { start: state.z, seen: new Set(), space: '' };
let done = false; // whether the step is
let original = state.original;
let scheduled = 0;

/** @type {HTMLElement} */
let list;
/** @type {HTMLElement} */
let next;

export function startLesson() {
  $('#lesson').setAttribute('aria-label', 'Lesson');
  onActivity((name, detail) => {
    since.seen.add(`${name}:${detail}`);
    schedule();
  });
  on(FOLLOWED, schedule);
  on('facts', beginOnce);
}

let begun = false;

/** Opens the lesson of the address or of this tab, once there is a face. */
async function beginOnce() {
  if (begun) return;
  begun = true;
  const asked = askedLesson();
  const stored = storedProgress();
  if (!asked && !stored) return;
  if (stored && (!asked || stored.name === asked)) open(stored);
  else await openNamed(asked);
}

/** @param {string} name */
async function openNamed(name) {
  const lesson = await attempt(() => fetchLesson(name));
  if (lesson) open({ name, lesson, step: 0, reached: 0 });
}

/** @param {Progress} given */
function open(given) {
  progress = given;
  writeAddress(given.name);
  beginStep();
}

/**
 * Opens a lesson of a file.
 * @param {File} file
 */
export async function openLessonFile(file) {
  const lesson = await attempt(() => readLessonFile(file));
  if (lesson) open({ name: '', lesson, step: 0, reached: 0 });
}

function close() {
  progress = null;
  storeProgress(null);
  writeAddress('');
  $('#lessons').focus();
  $('#lesson').hidden = true;
}

// ---- Steps

/** @param {number} index */
function goTo(index) {
  if (!progress) return;
  progress.step = index;
  progress.reached = Math.max(progress.reached, index);
  beginStep();
}

function beginStep() {
  if (!progress) return;
  storeProgress(progress);
  original = state.original;
  since = { start: state.z, seen: new Set(), space: state.facts?.fingerprint ?? '' };
  done = progress.step < progress.reached;
  const step = progress.lesson.steps[progress.step];
  if (step) showStep(progress, step);
  else showEnd(progress);
}

/**
 * @param {Progress} at
 * @param {LessonStep} step
 */
function showStep({ lesson, step: index }, step) {
  const { steps } = lesson;
  const lacking = (state.facts?.spaces.length ?? 1) < step.spaces;
  const hint = h('p', { class: 'hint', hidden: true }, ...marked(step.hint));
  const ask = button('help', 'Hint', () => {
    hint.hidden = !hint.hidden;
    ask.setAttribute('aria-expanded', String(!hint.hidden));
  });
  ask.setAttribute('aria-expanded', 'false');
  const back = button('left', 'Back', () => goTo(index - 1), { disabled: index === 0 });
  next = button('', '', () => goTo(index + 1), { id: 'lesson-next' });
  list = h('ul', { class: 'lesson-checks' });
  const text = h('div', { 'aria-live': 'polite' });
  const title = step.title ? h('h3', {}, step.title) : null;
  setChildren(text, title, paragraphs(lacking ? step.otherwise : step.text), list, hint);
  const actions = h('div', { class: 'line' }, step.hint ? ask : null, back, next);
  fill(lesson.title, `Step ${index + 1} of ${steps.length}`, index / steps.length, [text, actions]);
  if (lacking) done = true;
  refresh();
}

/** @param {Progress} at */
function showEnd({ lesson }) {
  const others = button('lesson', 'Other lessons', lessonsDialog);
  const again = button('reset', 'From the beginning', () => goTo(0));
  const text = h('div', { 'aria-live': 'polite' }, h('p', {}, 'This lesson is finished.'));
  fill(lesson.title, 'Finished', 1, [text, h('div', { class: 'line' }, again, others)]);
}

/**
 * @param {string} title
 * @param {string} where
 * @param {number} share of the steps that are behind
 * @param {HTMLElement[]} content
 */
function fill(title, where, share, content) {
  const root = $('#lesson');
  const bar = h('progress', { max: 1, value: share, 'aria-label': 'Progress of the lesson' });
  const leave = button('close', 'Close the lesson', close, { quiet: true, id: 'lesson-close' });
  const head = h('div', { class: 'lesson-head' }, h('h2', {}, title), h('span', { class: 'hint' }, where), bar, leave);
  root.setAttribute('aria-label', `Lesson: ${title}`);
  setChildren(root, head, h('div', { class: 'lesson-body' }, content));
  root.hidden = false;
}

/** @param {string} text paragraphs, separated by empty lines */
const paragraphs = (text) => text.split(/\n\n+/).map((part) => h('p', {}, ...marked(part)));

/**
 * Text with `code`.
 * @param {string} text
 */
function marked(text) {
  return text.split(/(`[^`]+`)/).map((part) => {
    const code = CODE.exec(part);
    return code ? h('code', {}, code[1]) : part;
  });
}

// ---- Checks

/** Checks once for all news of a moment. */
function schedule() {
  if (!progress || scheduled) return;
  scheduled = requestAnimationFrame(() => {
    scheduled = 0;
    refresh();
  });
}

function refresh() {
  const step = progress?.lesson.steps[progress.step];
  if (!progress || !step || !state.facts) return;
  restartAtNewFace();
  const found = step.done.map((condition) => check(condition, since));
  const finished = state.history[state.historyIndex]?.z === state.z; // no control is being moved
  const before = done;
  done ||= finished && found.every(({ met }) => met);
  setChildren(list, found.map((item) => checkItem(item, done && !item.impossible)));
  if (done && !before && found.length) announce('This step is done.');
  showNext(step, found);
}

/** Another face is another start: what is moved or kept is measured from it. */
function restartAtNewFace() {
  if (original === state.original && since.start.length === state.z.length) return;
  original = state.original;
  since.start = original.z;
}

/**
 * @param {LessonStep} step
 * @param {Check[]} found
 */
function showNext(step, found) {
  const last = progress?.lesson.steps.at(-1) === step;
  const ready = done || found.some(({ impossible }) => impossible);
  next.classList.toggle('primary', ready);
  const onward = last ? 'Finish' : 'Next';
  setChildren(next, h('span', {}, ready ? onward : 'Skip'), icon('right'));
}

/**
 * @param {Check} found
 * @param {boolean} met
 */
function checkItem({ text, met: now, now: figure, impossible }, met) {
  const fulfilled = met || now;
  let kind = fulfilled ? 'met' : 'open';
  if (impossible) kind = 'impossible';
  const label = { met: 'done', open: 'not yet', impossible: 'not here' }[kind];
  const mark = h('span', { class: 'mark', role: 'img', 'aria-label': label }, fulfilled ? icon('check') : null);
  const amount = figure === undefined ? null : h('span', { class: 'amount' }, figure);
  return h('li', { class: kind }, mark, h('span', {}, text), amount);
}

// ---- The list of lessons

export function lessonsDialog() {
  const accept = '.json,application/json';
  const input = h('input', { type: 'file', accept, class: 'visually-hidden', id: 'lesson-file' });
  input.setAttribute('aria-label', 'A lesson from a file');
  input.tabIndex = -1;
  input.addEventListener('change', () => {
    if (!input.files?.[0]) return;
    box.close();
    openLessonFile(input.files[0]);
  });
  const items = LESSONS.map(([name, title, about]) => {
    const start = () => {
      box.close();
      openNamed(name);
    };
    const current = progress?.name === name ? 'step' : undefined;
    const props = { type: 'button', class: 'lesson-item', 'aria-current': current, onclick: start };
    return h('li', {}, h('button', props, h('b', {}, title), h('span', {}, about)));
  });
  const file = button('import', 'Open a lesson of your own (JSON)', () => input.click());
  const hint = h('p', { class: 'hint' }, 'How to write one: docs/lessons.md.');
  const offered = h('ul', { class: 'lesson-list' }, items);
  const box = dialog('Lessons', offered, h('div', { class: 'line' }, file, input), hint);
}
