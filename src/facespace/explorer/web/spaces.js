// @ts-check
/** Opens spaces, and faces of a document in the space that they belong to. */

import { attempt, toast } from './dom.js';
import { fromDocument, fromLink, locksFromDocument, restoreMix, restoreView } from './document.js';
import { engine } from './engine.js';
import { showFirstFace } from './panels/random.js';
import { cachePicture } from './pictures.js';
import { openFacts, openSpace, setFace, setStatistics, setView, state, withoutAct } from './state.js';
import { readText, sessionStore, writeText } from './storage.js';

export const LINK = 'Link'; // label of a step
const SPACE = 'space';
const POLL_MS = 700;
const LAST_STAGE = 2; // of the statistics

/** The number of the space that this tab showed last. */
export const lastSpace = () => Number(readText(sessionStore, SPACE)) || 0;

/**
 * Opens one of the spaces, with the face of a document or else the one that this tab had.
 * @param {number} index
 * @param {any} [document]
 * @param {string} [label]
 * @param {boolean} [own] whether this tab wrote the document, so that what it stored is newer
 */
export async function showSpace(index, document = null, label = LINK, own = false) {
  const facts = await engine.selectSpace(index);
  const other = document ? indexOf(document, facts.fingerprints) : index;
  if (other !== index) {
    await showSpace(other, document, label, own);
    return;
  }
  writeText(sessionStore, SPACE, String(index));
  window.document.title = `${facts.name} · facespace`;
  const hadHistory = openSpace(facts);
  const restoreThis = own && hadHistory ? locksFromDocument : restoreDocument;
  if (document) await attempt(async () => restoreThis(document, label)); // before what was stored goes on
  const mean = await engine.mean();
  if (engine.space !== index) return; // another one was opened meanwhile
  cachePicture(mean.z, mean.picture);
  pollStatistics(index);
  if (!state.history.length && !hadHistory) {
    withoutAct(() => setFace(mean.z, 'Mean face'));
    await showFirstFace();
  }
}

/**
 * The number of the loaded space that a document belongs to: the open one where none is known.
 * @param {any} document
 * @param {string[]} fingerprints
 */
function indexOf(document, fingerprints) {
  const index = fingerprints.indexOf(document?.fingerprint);
  return index < 0 || fingerprints[engine.space] === document?.fingerprint ? engine.space : index;
}

/**
 * Restores the face of a document, in another loaded space where it belongs there.
 * @param {any} document
 * @param {string} label
 */
export async function openDocument(document, label) {
  const index = indexOf(document, openFacts().fingerprints);
  if (index === engine.space) restoreDocument(document, label);
  else await showSpace(index, document, label);
}

/**
 * @param {any} document
 * @param {string} label
 */
function restoreDocument(document, label) {
  fromDocument(document, label);
  restoreMix(document, label === LINK);
  if (label !== LINK) return;
  restoreView(document);
  setView({});
}

/**
 * Restores the face and the open tabs of a link.
 * @param {string} text the document in its fragment
 */
export const openLink = (text) => openDocument(fromLink(text), LINK);

/**
 * Asks until all statistics are measured; the page works without them meanwhile.
 * @param {number} index
 */
async function pollStatistics(index) {
  let stage = 0;
  while (index === engine.space && stage < LAST_STAGE) {
    const reply = await engine.statistics().catch(() => null);
    if (index !== engine.space) return;
    if (reply?.failed) {
      toast(reply.failed, 'error');
      return;
    }
    const statistics = reply?.statistics;
    if (statistics && statistics.stage > stage) {
      stage = statistics.stage;
      setStatistics(statistics);
    }
    if (stage < LAST_STAGE) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
