// @ts-check
/** The lessons that come with the page, and where a lesson comes from: these files, a file of the user, or this tab. */

import { isLesson, readLesson } from './lesson_schema.js';
import { readItem, sessionStore, writeItem } from './storage.js';

/** @typedef {import('./types.js').Lesson} Lesson */
/** @typedef {{name: string, lesson: Lesson, step: number, reached: number}} Progress `name`: empty for a file's */

const KEY = 'lesson';
const PARAMETER = 'lesson';
const LARGEST_FILE = 1e5; // bytes

/** Name, title and what it is about. @type {[name: string, title: string, about: string][]} */
export const LESSONS = [
  ['latent', 'What a latent is', 'A face as a row of numbers: read it, change it, keep it.'],
  ['ae-vs-vae', 'Autoencoder and VAE', 'Where faces lie in both kinds of space. Best with two spaces.'],
  ['directions', 'Directions and bias', 'Edit a smile, and see what else an edit changes, and why.'],
  ['blur', 'Why faces blur', 'What averages, priors and reconstructions leave out.'],
];

/** The lesson that the address asks for; empty where it asks for none. */
export const askedLesson = () => new URLSearchParams(location.search).get(PARAMETER) ?? '';

/**
 * Writes the lesson into the address, so that links and a reload open it again.
 * @param {string} name empty: none
 */
export function writeAddress(name) {
  const address = new URL(location.href);
  if (name) address.searchParams.set(PARAMETER, name);
  else address.searchParams.delete(PARAMETER);
  if (address.href !== location.href) history.replaceState(null, '', address.href);
}

/**
 * A lesson that comes with the page. Throws an Error with a sentence for another name.
 * @param {string} name
 */
export async function fetchLesson(name) {
  const names = LESSONS.map(([known]) => known);
  if (!names.includes(name)) {
    const known = names.join(', ');
    throw new Error(`There is no lesson ${name.slice(0, 40)}. Known: ${known}. A file of yours opens in Lessons.`);
  }
  const inside = document.querySelector(`script[data-lesson="${name}"]`); // of a static page, which loads nothing later
  if (inside) return readLesson(JSON.parse(inside.textContent ?? ''));
  const response = await fetch(`lessons/${name}.json`);
  if (!response.ok) throw new Error(`The lesson ${name} could not be loaded. Is the explorer still running?`);
  return readLesson(await response.json());
}

/**
 * The lesson of a file. Throws an Error with a sentence for another one.
 * @param {File} file
 */
export async function readLessonFile(file) {
  if (file.size > LARGEST_FILE) {
    throw new Error(`${file.name} is larger than ${LARGEST_FILE / 1e3} kB, the limit for a lesson.`);
  }
  const text = await file.text();
  let document = null;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : '';
    throw new Error(`${file.name} is not valid JSON: ${reason}`);
  }
  if (!isLesson(document)) throw new Error(`${file.name} is no lesson: "kind" is not "facespace-lesson".`);
  return readLesson(document);
}

/** @param {any} stored @returns {Progress} */
function parse({ name, document, step, reached }) {
  const lesson = readLesson(document);
  const within = (/** @type {unknown} */ index) => Math.max(0, Math.min(Number(index) || 0, lesson.steps.length));
  return { name: String(name), lesson, step: within(step), reached: within(reached) };
}

/** The lesson of this tab, or null. */
export const storedProgress = () => readItem(sessionStore, KEY, parse);

/** @param {Progress | null} progress */
export function storeProgress(progress) {
  writeItem(sessionStore, KEY, progress && { ...progress, lesson: undefined, document: toJson(progress.lesson) });
}

/**
 * A lesson as the JSON that readLesson reads.
 * @param {Lesson} lesson
 */
function toJson({ title, summary, steps }) {
  const amounts = /** @type {Record<string, string>} */ ({ moved: 'by', kept: 'within', typicality: 'ratio' });
  const list = steps.map(({ done, ...step }) => {
    const conditions = done.map(({ kind, value, amount }) => {
      return { [kind]: value, ...(kind in amounts ? { [amounts[kind]]: amount } : {}) };
    });
    const texts = Object.entries(step).filter(([, value]) => value !== '');
    return { ...Object.fromEntries(texts), done: conditions };
  });
  return { kind: 'facespace-lesson', version: 1, title, summary: summary || undefined, steps: list };
}
