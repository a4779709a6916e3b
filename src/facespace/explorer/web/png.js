// @ts-check
/** Text chunks of PNG files: the document of the page, and the provenance tag that a model made the picture. Pure
 * functions over bytes; a malformed file throws an Error with a sentence. */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const HEAD = 33; // bytes of the signature and the IHDR chunk, which come first
const CHUNK_FRAME = 12; // bytes of a chunk beside its data: length, type and checksum
const LONGEST_KEYWORD = 80;
const LARGEST_TEXT = 65536;
const DOCUMENT = 'facespace'; // keyword of the page's document
const XMP = 'XML:com.adobe.xmp';

// IPTC's terms for media that a trained model made, alone or beside a photograph; viewers and archives read them.
const SOURCE_TYPES = 'http://cv.iptc.org/newscodes/digitalsourcetype/';
const MODEL = 'trainedAlgorithmicMedia';
const MODEL_AND_PHOTO = 'compositeWithTrainedAlgorithmicMedia';

/** @param {string} term */
const provenanceTag = (term) =>
  [
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"',
    ` Iptc4xmpExt:DigitalSourceType="${SOURCE_TYPES}${term}"/>`,
    '</rdf:RDF></x:xmpmeta>',
  ].join('');

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const characters = (/** @type {Uint8Array} */ bytes) => String.fromCharCode(...bytes);

/**
 * A PNG with the document and the provenance tag in it.
 * @param {Blob} png
 * @param {any} document
 * @param {boolean} [withPhoto] whether a photograph is in the picture too
 */
export async function withDocument(png, document, withPhoto = false) {
  const bytes = new Uint8Array(await png.arrayBuffer());
  const tag = textChunk(XMP, provenanceTag(withPhoto ? MODEL_AND_PHOTO : MODEL));
  const state = textChunk(DOCUMENT, JSON.stringify(document));
  return new Blob([bytes.slice(0, HEAD), tag, state, bytes.slice(HEAD)], { type: 'image/png' });
}

/**
 * The document inside a PNG, or null where there is none.
 * @param {Blob} file
 */
export async function readDocument(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  if (!SIGNATURE.every((value, i) => bytes[i] === value)) return null;
  let offset = SIGNATURE.length;
  while (offset + CHUNK_FRAME <= bytes.length) {
    const length = view.getUint32(offset);
    if (length > bytes.length - offset - CHUNK_FRAME) throw new Error('This PNG is incomplete or damaged.');
    const type = characters(bytes.subarray(offset + 4, offset + 8));
    if (type === 'iTXt') {
      const data = bytes.subarray(offset + 8, offset + 8 + length);
      const end = data.indexOf(0);
      if (keyword(data, end) === DOCUMENT) return parseText(data.subarray(end + 1));
    }
    offset += CHUNK_FRAME + length;
  }
  return null;
}

/**
 * @param {Uint8Array} data
 * @param {number} end of the keyword; −1 where it has none
 */
function keyword(data, end) {
  const length = Math.max(0, Math.min(end, LONGEST_KEYWORD));
  return characters(data.subarray(0, length));
}

/**
 * What follows the keyword: compression flag and method, language, translated keyword, text.
 * @param {Uint8Array} data
 */
function parseText(data) {
  const compressed = data[0] !== 0;
  if (compressed || data.length > LARGEST_TEXT) {
    throw new Error('The state in this PNG is compressed or too large; this page did not write it.');
  }
  const language = data.indexOf(0, 2);
  const start = data.indexOf(0, language + 1) + 1;
  if (language < 0 || start < 1) throw new Error('The state in this PNG is damaged.');
  try {
    return JSON.parse(decoder.decode(data.subarray(start)));
  } catch {
    throw new Error('The state in this PNG is damaged.');
  }
}

/**
 * An uncompressed iTXt chunk.
 * @param {string} keyword
 * @param {string} text
 */
function textChunk(keyword, text) {
  const data = encoder.encode(`iTXt${keyword}\0\0\0\0\0${text}`);
  const chunk = new Uint8Array(data.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length - 4);
  chunk.set(data, 4);
  view.setUint32(data.length + 4, crc32(data));
  return chunk;
}

const CRC_TABLE = crcTable();

function crcTable() {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
}

/** @param {Uint8Array} data */
function crc32(data) {
  let c = 0xffffffff;
  for (const byte of data) c = CRC_TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
