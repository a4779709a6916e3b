// @ts-check
/** Types that several files share: the messages between page and server, and the values that panels exchange. No
 * code. A message is one binary WebSocket frame: the header's length (uint32), a JSON header, a payload of raw
 * numbers. */

// ---- Values of the page

/** @typedef {{width: number, height: number}} Size */
/** @typedef {Size & {pixels: Uint8ClampedArray<ArrayBuffer>}} Picture RGBA */
/** @typedef {{z: Float32Array, picture: Picture}} Face a latent and its decoded picture */
/**
 * @typedef {{z: Float32Array, picture: Picture | null, drawn?: boolean, unread?: boolean}} Original `picture`: its
 *   photo; `unread`: drawn, and the model has not read all strokes yet
 */
/** @typedef {{z: Float32Array, label: string, original: Original, drawing: Stroke[]}} HistoryEntry */
/** @typedef {{id: string, name: string, z: Float32Array}} NamedLatent a saved face or a keyframe */
/**
 * @typedef {{parents: NamedLatent[], x: number, y: number, strength: number, seed: number}} Mix of up to four faces:
 *   the point between them, the strength of its children's mutation, 1 as the distribution of faces, and their seed
 */
/** @typedef {{kind: string, value: string | number, amount: number}} Condition of a step; see lesson_schema.js */
/**
 * @typedef {{title: string, text: string, hint: string, done: Condition[], spaces: number,
 *   otherwise: string}} LessonStep `otherwise`: the text where fewer spaces are loaded
 */
/** @typedef {{title: string, summary: string, steps: LessonStep[]}} Lesson */
/** @typedef {'pen' | 'brush' | 'eraser' | 'fill'} Tool */
/**
 * @typedef {{tool: Tool, colour: string, width: number, mirror: boolean, points: Point[]}} Stroke of a drawing;
 *   points and width in pixels of the board
 */
/** @typedef {'positive' | 'negative'} Side faces with or without a property */
/** @typedef {'attributes' | 'components' | 'raw'} EditPanel with sliders, which can be locked */
/** @typedef {EditPanel | 'pad'} EditTab */
/** @typedef {'random' | 'draw' | 'photo' | 'map' | 'mix' | 'saved'} SourcePanel */
/** @typedef {'history' | 'morph'} BottomPanel */
/** @typedef {[number, number]} Point x and y in pixels */
/** @typedef {Node | string | false | null | undefined} Leaf */
/** @typedef {Leaf | Leaf[] | Leaf[][]} Child what an element can hold; empty values are skipped */

/**
 * Statistics of D latents and K principal components.
 * @typedef {object} Statistics
 * @property {string} origin what they were measured on
 * @property {number} stage 1: distances; 2: influence and impact too
 * @property {string} failed an error sentence, or empty
 * @property {number | null} usualScore of the face detector, which 95 % of the space's faces exceed; null without it
 * @property {Float32Array} mean (D,)
 * @property {Float32Array} std (D,)
 * @property {Float32Array} active (D,) 1 where faces differ
 * @property {Float32Array} components (K · D,) unit directions
 * @property {Float32Array} componentStd (K,)
 * @property {Float32Array} explained (K,) shares of the variance of faces' latents
 * @property {Float32Array} distances (101,) percentiles of the Mahalanobis distance
 * @property {Float32Array | null} influence (D,) mean |Δpixel| of each latent at ±2 σ
 * @property {Float32Array | null} impact (K,) the same of each component
 */

// ---- Requests

/** @typedef {{conditions: Record<string, number>, guidance: number}} Asked 1: with an attribute, −1: without */
/** @typedef {{frames: number, interpolation: string, loop_mode: string, easing: string}} PathRequest */
/**
 * @typedef {PathRequest & {fps: number, format: string, size: number, aspect: string}} ExportRequest `size`: pixels of
 *   the shorter side
 */

// ---- Headers of replies

/**
 * What every reply carries.
 * @typedef {object} BaseHeader
 * @property {number} id
 * @property {boolean} ok
 * @property {string} [error] a sentence, where `ok` is false
 * @property {string[]} spaces names of all spaces
 * @property {number} milliseconds time that the server took
 */

/**
 * @typedef {object} SpaceFacts
 * @property {string} name
 * @property {string} fingerprint
 * @property {number} latents dimensions of a latent
 * @property {Size & {channels: number}} picture what the decoder returns
 * @property {Size} input what the encoder takes
 * @property {string} model
 * @property {string} recipe
 * @property {string} summary
 * @property {string} data
 * @property {number} faces
 * @property {string} terms
 * @property {Record<string, string>} priors kind and origin
 * @property {string} prior the default kind
 * @property {{temperature?: number, guidance?: number}} sampling what the default prior is drawn from with
 * @property {Record<string, string[]>} conditions attributes that priors know, by kind
 * @property {string[]} formats of animations
 * @property {number} parameters
 * @property {string[]} spaces
 * @property {string[]} fingerprints of all spaces
 * @property {boolean} tunable whether a copy can be tuned to a photo
 * @property {boolean} writable whether the bundle takes directions of one's own
 * @property {Record<string, string>} unavailable what a static page or a server without PyTorch cannot do, and why
 */

/** @typedef {Size & {count: number}} PictureHeader */
/** @typedef {PictureHeader & {latent_bytes: number}} FaceHeader `latent_bytes`: of latents before the pixels */
/** @typedef {FaceHeader & {aligned: PictureHeader}} AlignHeader */
/**
 * @typedef {{stage: number, origin: string, latents: number, components: number, failed: string,
 *   usual_score?: number | null}} StatisticsHeader
 */

/**
 * How well a direction separates faces, and where the means of both classes lie on its slider.
 * @typedef {{auc?: number, positives?: number, negatives?: number, positive_mean?: number, negative_mean?: number,
 *   gap?: number}} AttributeFacts
 */
/** @typedef {{names: string[], facts: Record<string, AttributeFacts>, reason: string}} DirectionsHeader */
/** @typedef {{facts: AttributeFacts}} FitHeader */
/**
 * A direction of D latents, all that reading and moving an attribute takes. The score of a latent is
 * `offset` + `row` · z, in standard deviations of faces.
 * @typedef {object} Direction
 * @property {string} name
 * @property {AttributeFacts} facts
 * @property {number} offset
 * @property {Float32Array} row (D,)
 * @property {Float32Array} step (D,) the move of one standard deviation
 * @property {Float32Array} lock (D,) the shortest move that changes the score
 * @property {boolean} [own] whether it lives in this browser alone
 */

/** @typedef {(number[] | null)[]} Landmarks eyes, nose, corners of the mouth as [x, y]; null where unknown */
/** @typedef {{points: Landmarks, box: number[], eye_distance: number, small: boolean}} DetectedFace */
/** @typedef {{faces: DetectedFace[], detector: string | null, detector_error: string | null}} Detection */

/**
 * @typedef {PictureHeader & {
 *   origin: string, names: string[], labels: Record<string, number[]>, encoded: boolean}} MapHeader
 */
/**
 * @typedef {MapHeader & {
 *   positions: Float32Array[], z: Float32Array[], scores: Float32Array[], faces: Picture[]}} FaceMap
 */

/**
 * The reply header of each request by its name.
 * @typedef {object} ReplyHeaders
 * @property {SpaceFacts} facts
 * @property {PictureHeader} decode
 * @property {FaceHeader} mean
 * @property {FaceHeader} random
 * @property {FaceHeader} encode
 * @property {StatisticsHeader} statistics
 * @property {{score: number | null}} face_score
 * @property {Detection} detect
 * @property {AlignHeader} align
 * @property {FaceHeader & {cancelled: boolean, change: number}} tune
 * @property {PictureHeader & {running: boolean, share: number, seconds_left: number | null}} tuning
 * @property {{}} cancel_tuning
 * @property {{}} untune
 * @property {{}} forget
 * @property {DirectionsHeader} directions
 * @property {FitHeader} fit_direction
 * @property {{}} add_direction
 * @property {FaceHeader & {cancelled: boolean, already: boolean, reached: boolean, held: string[]}} edit
 * @property {{}} cancel_edit
 * @property {FaceHeader & {cancelled: boolean}} paint
 * @property {{count: number}} path
 * @property {{format: string, cancelled: boolean, running: boolean, share: number}} export_animation
 * @property {MapHeader} map
 */

/**
 * @template H
 * @typedef {{header: H & BaseHeader, payload: ArrayBuffer}} Reply
 */

export {};
