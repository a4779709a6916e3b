// @ts-check
/** Text inside PNG files: the state of the page, and the mark that the picture was made by a model. Pure functions over
 * bytes; a file that lies about itself throws an Error with a sentence. */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10], KEYWORD = 'facespace', XMP = 'XML:com.adobe.xmp', LARGEST_TEXT = 65536;
const encode = new TextEncoder(), decode = new TextDecoder('utf-8', { fatal: true });

// IPTC's term for media that a trained model made; viewers and archives read it.
const MARK = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>`;

/** A PNG with the document and the mark in it. @param {Blob} png @param {any} document */
export async function withDocument(png, document) {
  const bytes = new Uint8Array(await png.arrayBuffer()), head = 33; // the signature and IHDR, which must come first
  return new Blob([bytes.slice(0, head), chunk(XMP, MARK), chunk(KEYWORD, JSON.stringify(document)), bytes.slice(head)], { type: 'image/png' });
}

/** The document inside a PNG, or null where there is none. @param {Blob} file */
export async function readDocument(file) {
  const bytes = new Uint8Array(await file.arrayBuffer()), view = new DataView(bytes.buffer);
  if (!SIGNATURE.every((value, i) => bytes[i] === value)) return null;
  let at = 8;
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at), kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (length > bytes.length - at - 12) throw new Error('This PNG is cut short or damaged.');
    if (kind === 'iTXt') {
      const body = bytes.subarray(at + 8, at + 8 + length), end = body.indexOf(0);
      if (String.fromCharCode(...body.subarray(0, Math.max(0, Math.min(end, 80)))) === KEYWORD) return parse(body.subarray(end + 1));
    }
    at += 12 + length;
  }
  return null;
}

/** After the keyword: whether and how it is packed, language, translated keyword, text. @param {Uint8Array} body */
function parse(body) {
  if (body[0] !== 0 || body.length > LARGEST_TEXT) throw new Error('The state in this PNG is packed or too large; it was not written by this page.');
  const language = body.indexOf(0, 2), start = body.indexOf(0, language + 1) + 1;
  if (language < 0 || start < 1) throw new Error('The state in this PNG is damaged.');
  try { return JSON.parse(decode.decode(body.subarray(start))); } catch { throw new Error('The state in this PNG is damaged.'); }
}

/** @param {string} keyword @param {string} text */
function chunk(keyword, text) {
  const data = encode.encode(`iTXt${keyword}\0\0\0\0\0${text}`), out = new Uint8Array(data.length + 8), view = new DataView(out.buffer);
  view.setUint32(0, data.length - 4);
  out.set(data, 4);
  view.setUint32(data.length + 4, crc(data));
  return out;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1; return n >>> 0; });
/** @param {Uint8Array} data */
function crc(data) {
  let c = 0xffffffff;
  for (const byte of data) c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
