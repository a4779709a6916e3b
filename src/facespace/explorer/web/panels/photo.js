// @ts-check
/** A photo becomes a face of the space: the browser reads and scales it, the server on this computer detects and
 * aligns its face, and the landmarks are corrected by hand where they are wrong. Nothing is stored. */

import { $, attempt, button, context2d, download, h, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { addHandles } from '../landmarks.js';
import { latestWins } from '../latest.js';
import { thumbnail } from '../pictures.js';
import { addPoints, forgetPoints, pointsFile, POINTS_FILE } from '../points_table.js';
import { decoderChanged, forgetPhotographs, on, openFacts } from '../state.js';
import { mirrorSection } from './mirror.js';
import { loadFace } from './stage.js';
import { tuneSection } from './tune.js';

/** @typedef {import('../types.js').DetectedFace} DetectedFace */
/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Landmarks} Landmarks */
/** @typedef {import('../types.js').Picture} Picture */

const LARGEST_SIDE = 512; // pixels of the photo that is sent
const MIRROR_SIDE = 320; // pixels of the mirror's pictures
const SMALLEST_SIDE = 8;
/** Landmarks as shares of the picture, where no face was detected. @type {Landmarks} */
const DEFAULT_LANDMARKS = [[0.38, 0.45], [0.62, 0.45], null, [0.41, 0.68], [0.59, 0.68]];

const PRIVACY = 'Processed on this computer, never uploaded, never stored.';
const NOT_A_PICTURE = 'This file is not a picture that the browser can read. Try a JPEG, PNG or WebP.';
const NO_FACE = 'No face was detected: drag the points onto eyes and mouth.';
const NO_FACE_ERROR = 'No face was detected in this photo. Drag the points onto eyes and mouth, or try another photo.';
const CHECK_LANDMARKS = 'Are the points on eyes and mouth? Drag them if not.';
const SAVE_POINTS_TIP =
  'Saves points.csv with the points of all photos of this tab whose points you have saved. Put it beside the photos, ' +
  'and facespace adapt, edit and prepare align them by it.';
const ENCODED = 'The face is on the stage. Hold X to compare it with the photo.';
const CAMERA_DENIED = 'The camera was not allowed. Allow it in the address bar, or choose a file.';
const NO_CAMERA = 'No camera can be used here. Choose a file instead.';

/** @type {ImageData | null} */
let photo = null;
/** The file of the photo: its name, empty without one, and its pixels for each pixel of `photo`. */
let source = { name: '', scale: 1 };
/** @type {MediaStream | null} */
let stream = null;
let cameraRequests = 0; // and ends of the camera
/** @type {HTMLElement} */
let body;
/** Aligns the photo that is shown for the open space; null without one. @type {(() => void) | null} */
let alignShown = null;

export function startPhoto() {
  body = h('div');
  const forgetButton = button('trash', 'Forget the photos', forgetAll, { quiet: true, id: 'forget' });
  setChildren($('#photo'), h('div', { class: 'panel-head' }, h('h2', {}, 'Photo'), forgetButton), body);
  restart();
  on('facts', () => alignShown?.());
  on('view shown', leaveCamera);
  new ResizeObserver(leaveCamera).observe($('#photo')); // a narrow page hides it together with its part
  document.addEventListener('visibilitychange', leaveCamera);
  addEventListener('pagehide', stopCamera);
}

const hint = (/** @type {string} */ text) => h('p', { class: 'hint' }, text);

/** Forgets all photos of this tab. */
function forgetAll() {
  forgetPoints();
  forget();
}

/** Forgets the photo, here, on the server and behind the faces that came from it. */
function forget() {
  const wasTuned = engine.tuned;
  engine.forgetPhoto().catch(console.debug);
  forgetPhotographs();
  if (wasTuned) decoderChanged();
  restart();
}

/** Shows how to open a photo. */
function restart() {
  photo = null;
  alignShown = null;
  stopCamera();
  const input = h('input', { type: 'file', accept: 'image/*', id: 'photo-file', class: 'visually-hidden' });
  input.addEventListener('change', () => {
    if (input.files?.[0]) openPhoto(input.files[0]);
  });
  const title = h('b', {}, 'Drop a photo here');
  const drop = h('label', { class: 'drop', for: 'photo-file' }, title, h('span', {}, 'or choose a file, or paste one'));
  const choose = button('photo', 'Choose a file', () => input.click());
  const camera = button('camera', 'Camera', useCamera);
  setChildren(body, drop, input, h('div', { class: 'line' }, choose, camera), hint(PRIVACY));
}

/** @param {Blob} file */
export async function openPhoto(file) {
  $('#tab-photo').click();
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => null);
  if (!bitmap) {
    toast(NOT_A_PICTURE, 'error');
    return;
  }
  usePicture(bitmap, bitmap.width, bitmap.height, file instanceof File ? file.name : '');
}

/**
 * Scales a picture, so that the server gets at most 512 pixels on a side.
 * @param {ImageBitmap | HTMLVideoElement} picture
 * @param {number} width
 * @param {number} height
 * @param {number} [largest] side
 */
function scaled(picture, width, height, largest = LARGEST_SIDE) {
  const scale = Math.min(1, largest / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(SMALLEST_SIDE, Math.round(width * scale));
  canvas.height = Math.max(SMALLEST_SIDE, Math.round(height * scale));
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff'; // behind transparent pixels
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * @param {ImageBitmap | HTMLVideoElement} picture
 * @param {number} width
 * @param {number} height
 * @param {string} [name] of its file
 */
async function usePicture(picture, width, height, name = '') {
  const image = scaled(picture, width, height);
  stopCamera(); // whose picture this is, or which another picture replaces
  photo = image;
  alignShown = null;
  source = { name, scale: width / image.width };
  setChildren(body, h('p', { class: 'waiting' }, 'Detecting faces…'));
  const detection = await attempt(() => engine.detectFaces(image));
  if (photo !== image) return; // another one was opened meanwhile
  if (!detection) {
    forget();
    return;
  }
  const { faces, detector_error: detectorError } = detection;
  if (faces.length > 1) {
    chooseFace(image, faces);
    return;
  }
  if (faces.length === 1) {
    editLandmarks(image, faces[0].points, sizeWarning(faces[0]));
    return;
  }
  toast(detectorError ?? NO_FACE_ERROR, 'error');
  editLandmarks(image, defaultLandmarks(image), NO_FACE);
}

/** @param {ImageData} image */
function defaultLandmarks({ width, height }) {
  return DEFAULT_LANDMARKS.map((share) => share && [share[0] * width, share[1] * height]);
}

/** @param {DetectedFace} face */
function sizeWarning({ small, eye_distance: eyes }) {
  if (!small) return '';
  return `The face is small (${Math.round(eyes)} pixels between the eyes): expect a blurred result.`;
}

/**
 * A box with the photo, over which other elements lie.
 * @param {ImageData} image
 */
function photoBox(image) {
  const canvas = h('canvas', { class: 'photo' });
  canvas.width = image.width;
  canvas.height = image.height;
  context2d(canvas).putImageData(image, 0, 0);
  return { box: h('div', { class: 'pick' }, canvas), canvas };
}

/**
 * Several faces: the user picks one.
 * @param {ImageData} image
 * @param {DetectedFace[]} faces
 */
function chooseFace(image, faces) {
  const { box } = photoBox(image);
  for (const [index, face] of faces.entries()) {
    const label = `Face ${index + 1} of ${faces.length}${face.small ? ', small' : ''}`;
    const element = h('button', { type: 'button', class: 'face-box', 'aria-label': label });
    element.addEventListener('click', () => editLandmarks(image, face.points, sizeWarning(face)));
    const [left, top, width, height] = face.box;
    element.style.left = `${(100 * left) / image.width}%`;
    element.style.top = `${(100 * top) / image.height}%`;
    element.style.width = `${(100 * width) / image.width}%`;
    element.style.height = `${(100 * height) / image.height}%`;
    box.append(element);
  }
  setChildren(body, h('p', {}, `${faces.length} faces: pick one.`), box, hint(PRIVACY));
}

/**
 * One face: its landmarks can be moved, and the aligned face and its reconstruction are shown.
 * @param {ImageData} image
 * @param {Landmarks} landmarks
 * @param {string} warning
 */
function editLandmarks(image, landmarks, warning) {
  const { box, canvas } = photoBox(image);
  const pictures = h('div', { class: 'result' });
  /** @type {{aligned: Picture, face: Face} | null} */
  let encoded = null;
  const use = () => {
    if (!encoded) return;
    loadFace(encoded.face, 'Photo', encoded.aligned);
    toast(ENCODED);
  };
  const useButton = button('send', 'Use this face', use, { class: 'primary', id: 'photo-use', disabled: true });
  const update = latestWins(async () => {
    const result = await attempt(() => engine.alignFace(image, landmarks));
    if (!result || photo !== image) return;
    encoded = result;
    useButton.disabled = false;
    setChildren(pictures, figure(result.aligned, 'Aligned'), figure(result.face.picture, 'Reconstruction'));
  });
  addHandles(box, canvas, landmarks, update);
  const resembles = hint(resemblance());
  alignShown = () => {
    encoded = null; // it is of the space before
    useButton.disabled = true;
    resembles.textContent = resemblance();
    update();
  };
  const advice = warning ? h('p', { class: 'warn' }, warning) : hint(CHECK_LANDMARKS);
  const another = button('close', 'Another photo', forget);
  const actions = h('div', { class: 'line' }, useButton, another, savePointsButton(landmarks));
  const tuning = tuneSection(() => engine.tune(image, landmarks), () => encoded?.aligned ?? null);
  setChildren(body, box, advice, pictures, actions, resembles, tuning, hint(PRIVACY));
  update();
}

/**
 * @param {Picture} picture
 * @param {string} caption
 */
function figure(picture, caption) {
  return h('figure', {}, thumbnail(picture, caption), h('figcaption', {}, caption));
}

/**
 * Saves the landmarks of all photos whose points were saved in this tab; nothing for a photo without a file.
 * @param {Landmarks} landmarks
 */
function savePointsButton(landmarks) {
  const { name, scale } = source;
  if (!name) return null;
  const save = () => {
    const count = addPoints(name, landmarks, scale);
    download(pointsFile(), POINTS_FILE);
    toast(`${POINTS_FILE} has the points of ${count === 1 ? 'this photo' : `${count} photos`}.`);
  };
  return button('export', 'Save the points', save, { id: 'save-points', dataset: { tip: SAVE_POINTS_TIP } });
}

function resemblance() {
  return `This model encodes a face in ${openFacts().latents} numbers: expect a resemblance, not a copy.`;
}

// ---- Camera

/** Also a camera that the browser is still asked for is off when it comes. */
function stopCamera() {
  cameraRequests += 1;
  stopTracks(stream);
  stream = null;
}

/** @param {MediaStream | null} camera */
function stopTracks(camera) {
  for (const track of camera?.getTracks() ?? []) track.stop();
}

const inSight = () => !document.hidden && $('#photo').checkVisibility();

/** The camera is on only while its picture is in sight. */
function leaveCamera() {
  if (stream && !inSight()) restart();
}

async function useCamera() {
  stopCamera();
  const request = cameraRequests;
  /** @type {MediaStream} */
  let camera;
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  } catch (error) {
    const denied = error instanceof DOMException && error.name === 'NotAllowedError';
    toast(denied ? CAMERA_DENIED : NO_CAMERA, 'error');
    return;
  }
  if (request !== cameraRequests || !inSight()) {
    stopTracks(camera); // the user has left, or asked again, while the browser asked
    return;
  }
  stream = camera;
  const label = { 'aria-label': 'Your camera', class: 'photo mirrored' };
  const props = { autoplay: true, muted: true, playsInline: true, ...label };
  const video = h('video', props);
  video.srcObject = stream;
  const take = () => usePicture(video, video.videoWidth, video.videoHeight);
  const takeButton = button('camera', 'Take the picture', take, { class: 'primary', once: true });
  const cancel = button('close', 'Cancel', restart);
  const grab = () => scaled(video, video.videoWidth, video.videoHeight, MIRROR_SIDE);
  const mirror = mirrorSection(video, grab);
  setChildren(body, video, h('div', { class: 'line' }, takeButton, cancel), mirror, hint(PRIVACY));
}
