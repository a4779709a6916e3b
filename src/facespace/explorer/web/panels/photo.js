// @ts-check
/** A photo becomes a face of the space: read and shrunk in the browser, its face found and laid upright by the server on
 * this computer, the points corrected by hand where they are wrong. Nothing is kept. */

import { $, attempt, button, fill, h, toast } from '../dom.js';
import { engine, latestWins } from '../engine.js';
import { small } from '../faces.js';
import { setFace, state } from '../state.js';
import { know } from './stage.js';

const SIDE = 512, NAMES = ["the eye at the picture's left", "the eye at the picture's right", 'the nose', 'the corner of the mouth at the left', 'the corner of the mouth at the right'];
const USUAL = [[0.38, 0.45], [0.62, 0.45], null, [0.41, 0.68], [0.59, 0.68]]; // shares of the picture, where nothing was found
const PROMISE = 'Processed on this computer, never uploaded, never kept.';

/** @type {ImageData | null} */
let photo = null;
/** @type {MediaStream | null} */
let stream = null;
/** @type {any} */
let body;

export function startPhoto() {
  body = h('div', {});
  fill($('#photo'), h('div', { class: 'panel-head' }, h('h2', {}, 'Photo'), button('trash', 'Forget this photo', forget, { quiet: true, id: 'forget' })), body);
  forget();
}

/** Forgets everything of a photo. */
function forget() {
  photo = null;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  const input = h('input', { type: 'file', accept: 'image/*', id: 'photo-file', class: 'unseen', onchange: () => { if (input.files[0]) openPhoto(input.files[0]); } });
  fill(body, h('label', { class: 'drop', for: 'photo-file' }, h('b', {}, 'Drop a photo here'), h('span', {}, 'or choose a file, or paste one')), input,
    h('div', { class: 'line' }, button('photo', 'Choose a file', () => input.click()), button('camera', 'Camera', useCamera)),
    h('p', { class: 'hint' }, PROMISE));
}

/** @param {Blob} file */
export async function openPhoto(file) {
  $('#tab-photo').click();
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => null);
  if (!bitmap) { toast('This file is not a picture that the browser can read. Try a JPEG, PNG or WebP.', 'error'); return; }
  usePicture(bitmap, bitmap.width, bitmap.height);
}

/** @param {any} source @param {number} width @param {number} height */
async function usePicture(source, width, height) {
  const scale = Math.min(1, SIDE / Math.max(width, height)), canvas = document.createElement('canvas');
  canvas.width = Math.max(8, Math.round(width * scale));
  canvas.height = Math.max(8, Math.round(height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  photo = context.getImageData(0, 0, canvas.width, canvas.height);
  const mine = photo;
  fill(body, h('p', { class: 'waiting' }, 'Looking for faces…'));
  const found = await attempt(() => engine.align(mine));
  if (!found) { forget(); return; }
  if (photo !== mine) return;
  const by = (/** @type {string} */ words) => () => words;
  if (!found.faces.length) {
    toast(found.without ?? 'No face was found in this photo. Drag the points onto eyes and mouth, or try another photo.', 'error');
    place(USUAL.map((pair) => pair && [pair[0] * canvas.width, pair[1] * canvas.height]), by('No face was found: drag the points onto eyes and mouth.'));
  } else if (found.faces.length > 1) choose(found.faces);
  else place(found.faces[0].points, by(found.faces[0].small ? small_(found.faces[0]) : ''));
}

const small_ = (/** @type {any} */ face) => `The face is small (${Math.round(face.eyes)} pixels between the eyes): expect a blurred result.`;

/** The photo on a canvas. */
function shown() {
  const canvas = h('canvas', { class: 'photo' });
  canvas.width = photo?.width ?? 1;
  canvas.height = photo?.height ?? 1;
  if (photo) canvas.getContext('2d').putImageData(photo, 0, 0);
  return canvas;
}

/** Several faces: one is picked. @param {any[]} faces */
function choose(faces) {
  const box = h('div', { class: 'pick' }, shown());
  faces.forEach((face, i) => {
    const [left, top, width, height] = face.box, mark = h('button', { type: 'button', class: 'mark', 'aria-label': `Face ${i + 1} of ${faces.length}${face.small ? ', small' : ''}`, onclick: () => place(face.points, () => (face.small ? small_(face) : '')) });
    Object.assign(mark.style, { left: `${(100 * left) / /** @type {any} */ (photo).width}%`, top: `${(100 * top) / /** @type {any} */ (photo).height}%`, width: `${(100 * width) / /** @type {any} */ (photo).width}%`, height: `${(100 * height) / /** @type {any} */ (photo).height}%` });
    box.append(mark);
  });
  fill(body, h('p', {}, `${faces.length} faces: pick one.`), box, h('p', { class: 'hint' }, PROMISE));
}

/** One face: its points can be moved, and what comes of them is shown. @param {(number[] | null)[]} points @param {() => string} warning */
function place(points, warning) {
  const image = /** @type {ImageData} */ (photo), box = h('div', { class: 'pick' }, shown()), result = h('div', { class: 'three' });
  /** @type {{cut: any, face: any} | null} */
  let made = null;
  const use = button('send', 'Use this face', () => { if (made) { know(made.face.z, made.face.picture); setFace(made.face.z, 'Photo', made.cut); toast('The face is on the stage. Hold X to compare it with the photo.'); } }, { class: 'primary', id: 'photo-use', disabled: true });
  const update = latestWins(async () => {
    const cut = await attempt(() => engine.cut(image, points));
    if (!cut) return;
    const face = await engine.encode(new ImageData(/** @type {any} */ (cut.pixels), cut.width, cut.height));
    made = { cut, face };
    use.disabled = false;
    fill(result, h('figure', {}, small(cut, 'The aligned face'), h('figcaption', {}, 'Aligned')), h('figure', {}, small(face.picture, 'What the model keeps'), h('figcaption', {}, 'Reconstruction')));
  });
  points.forEach((pair, i) => {
    if (!pair || i === 2) return;
    const dot = h('button', { type: 'button', class: 'dot', 'aria-label': `Move ${NAMES[i]} with the arrow keys`, dataset: { tip: `Drag onto ${NAMES[i]}.` } });
    const put = () => { dot.style.left = `${(100 * pair[0]) / image.width}%`; dot.style.top = `${(100 * pair[1]) / image.height}%`; };
    const to = (/** @type {number} */ x, /** @type {number} */ y) => { pair[0] = Math.max(0, Math.min(image.width, x)); pair[1] = Math.max(0, Math.min(image.height, y)); put(); update(undefined); };
    dot.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => { dot.setPointerCapture(event.pointerId); event.preventDefault(); dot.focus(); });
    dot.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
      if (!dot.hasPointerCapture(event.pointerId)) return;
      const at = box.getBoundingClientRect();
      to(((event.clientX - at.left) / at.width) * image.width, ((event.clientY - at.top) / at.height) * image.height);
    });
    dot.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {any} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] })[event.key];
      if (by) { event.preventDefault(); to(pair[0] + by[0], pair[1] + by[1]); }
    });
    put();
    box.append(dot);
  });
  const words = warning();
  fill(body, box, words ? h('p', { class: 'warn' }, words) : h('p', { class: 'hint' }, 'Are the points on eyes and mouth? Drag them if not.'), result, h('div', { class: 'line' }, use, button('close', 'Another photo', forget)),
    h('p', { class: 'hint' }, `This model keeps ${state.facts.latents} numbers about a face: expect a relative, not a twin. ${PROMISE}`));
  update(undefined);
}

async function useCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  } catch (error) {
    const denied = error instanceof DOMException && error.name === 'NotAllowedError';
    toast(denied ? 'The camera was not allowed. Allow it in the address bar, or choose a file.' : 'No camera can be used here. Choose a file instead.', 'error');
    return;
  }
  const video = h('video', { autoplay: true, muted: true, playsInline: true, class: 'photo', 'aria-label': 'Your camera' });
  video.srcObject = stream;
  const take = async () => { await usePicture(video, video.videoWidth, video.videoHeight); stream?.getTracks().forEach((track) => track.stop()); };
  fill(body, video, h('div', { class: 'line' }, button('camera', 'Take the picture', take, { class: 'primary' }), button('close', 'Cancel', forget)), h('p', { class: 'hint' }, PROMISE));
}
