// @ts-check
/** A video of pictures, recorded by the browser: MP4 or WebM, whichever it can. Runs in the page, not in a worker, and
 * takes as long as the video lasts. */

import { newExport } from './animation.js';
import { layoutOf } from './frame_layout.js';

/** @typedef {import('../types.js').Picture} Picture */

/** Types of files and codecs, the preferred ones first. @type {Record<string, string[]>} */
const TYPES = {
  mp4: ['video/mp4;codecs=avc1.42E01F', 'video/mp4'],
  webm: ['video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm'],
};
const BITS_PER_SECOND = 8_000_000;

/**
 * The type that this browser records a format in; null where it cannot.
 * @param {string} format
 */
function typeOf(format) {
  if (!globalThis.MediaRecorder || !HTMLCanvasElement.prototype.captureStream) return null;
  return (TYPES[format] ?? []).find((type) => MediaRecorder.isTypeSupported(type)) ?? null;
}

/** The formats of videos that this browser can record. */
export const videoFormats = () => Object.keys(TYPES).filter((format) => typeOf(format) !== null);

/**
 * The video of pictures of one size. The page must stay visible meanwhile, since browsers slow hidden ones down. Throws
 * an Error with a sentence for a format that this browser cannot record.
 * @param {Picture[]} pictures
 * @param {number} fps
 * @param {string} format
 * @param {import('./animation.js').Export} [watch]
 * @param {import('./frame_layout.js').FileFields} [fields]
 */
export async function recordVideo(pictures, fps, format, watch = newExport(), fields = {}) {
  const mimeType = typeOf(format);
  if (!mimeType) {
    const known = ['gif', ...videoFormats()].join(', ');
    throw new Error(`This browser records no ${format} files. It can save: ${known}.`);
  }
  if (!pictures.length) throw new Error('A video has at least one picture.');
  const show = painter(pictures[0], layoutOf(pictures[0], fields, pictures.length));
  watch.total = pictures.length;
  const stream = show.canvas.captureStream(0);
  const track = /** @type {CanvasCaptureMediaStreamTrack} */ (stream.getVideoTracks()[0]);
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: BITS_PER_SECOND });
  const ended = endOf(recorder);
  show.paint(pictures[0]);
  recorder.start();
  const start = performance.now();
  for (const [place, picture] of pictures.entries()) {
    await until(start + (1000 * place) / fps);
    show.paint(picture);
    track.requestFrame();
    watch.done = place + 1;
    if (watch.cancelled) break;
  }
  if (!watch.cancelled) await until(start + (1000 * pictures.length) / fps);
  // The last picture once more: a video's last frame has no duration of its own.
  track.requestFrame();
  recorder.stop();
  const parts = await ended;
  track.stop();
  return new Blob(parts, { type: mimeType.split(';')[0] });
}

/**
 * A canvas with the picture in its middle, smoothly enlarged; its sides are even, which H.264 requires.
 * @param {Picture} first
 * @param {import('./frame_layout.js').Layout} layout
 */
function painter({ width, height }, { picture, face }) {
  const canvas = document.createElement('canvas');
  canvas.width = 2 * Math.round(picture.width / 2);
  canvas.height = 2 * Math.round(picture.height / 2);
  const small = document.createElement('canvas');
  [small.width, small.height] = [width, height];
  const [inner, outer] = [small, canvas].map((each) => /** @type {CanvasRenderingContext2D} */ (each.getContext('2d')));
  outer.imageSmoothingQuality = 'high';
  outer.fillRect(0, 0, canvas.width, canvas.height);
  const whole = face.width === picture.width && face.height === picture.height;
  const shown = whole ? canvas : face;
  const [left, top] = [(canvas.width - shown.width) / 2, (canvas.height - shown.height) / 2].map(Math.floor);
  return {
    canvas,
    /** @param {Picture} picture */
    paint(picture) {
      inner.putImageData(new ImageData(picture.pixels, width, height), 0, 0);
      outer.drawImage(small, left, top, shown.width, shown.height);
    },
  };
}

/**
 * The parts of a recording, once it has ended.
 * @param {MediaRecorder} recorder
 * @returns {Promise<Blob[]>}
 */
function endOf(recorder) {
  /** @type {Blob[]} */
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  return new Promise((resolve, reject) => {
    recorder.onstop = () => resolve(parts);
    recorder.onerror = () => reject(new Error('The browser could not record the video.'));
  });
}

/** @param {number} time by performance.now() */
const until = (time) => new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));
