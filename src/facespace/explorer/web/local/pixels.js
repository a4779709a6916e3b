// @ts-check
/** Pictures between canvases and networks: RGBA bytes here, planes of floats in [0, 1] there. */

const RGBA = 4;

/**
 * Planes (C, H, W) in [0, 1] as RGBA, rounded to the nearest level; a gray face has the same number three times.
 * @param {Float32Array} planes
 * @param {number} channels 1 or 3
 * @param {number} size pixels of a plane
 */
export function toRgba(planes, channels, size) {
  const pixels = new Uint8ClampedArray(size * RGBA);
  const [red, green, blue] = channels === 1 ? [0, 0, 0] : [0, size, 2 * size];
  for (let i = 0, to = 0; i < size; i++, to += RGBA) {
    pixels[to] = 255 * planes[red + i];
    pixels[to + 1] = 255 * planes[green + i];
    pixels[to + 2] = 255 * planes[blue + i];
    pixels[to + 3] = 255;
  }
  return pixels;
}

/**
 * RGBA as planes (C, H, W) in [0, 1]; transparency is ignored. Gray is the luma of ITU-R 601-2 with the numbers of
 * Pillow, by which the server converts.
 * @param {Uint8Array | Uint8ClampedArray} pixels
 * @param {number} channels 1 or 3
 */
export function toPlanes(pixels, channels) {
  const size = pixels.length / RGBA;
  const planes = new Float32Array(channels * size);
  for (let i = 0, from = 0; i < size; i++, from += RGBA) {
    const [red, green, blue] = [pixels[from], pixels[from + 1], pixels[from + 2]];
    if (channels === 1) {
      planes[i] = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) / 255;
    } else {
      planes[i] = red / 255;
      planes[size + i] = green / 255;
      planes[2 * size + i] = blue / 255;
    }
  }
  return planes;
}

/**
 * The pixels of a sheet of pictures: RGBA of one after another.
 * @param {Blob} sheet
 * @param {{count: number, width: number, height: number, columns: number}} layout
 */
export async function readSheet(sheet, { count, width, height, columns }) {
  const bitmap = await createImageBitmap(sheet);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('This browser cannot read pictures in a worker.');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const size = width * height * RGBA;
  const pixels = new Uint8ClampedArray(count * size);
  for (let i = 0; i < count; i++) {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    pixels.set(context.getImageData(column * width, row * height, width, height).data, i * size);
  }
  return pixels;
}
