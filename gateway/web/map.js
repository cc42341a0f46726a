/* map - the tags that cameras see now, from above: x to the right, z away from the camera, which stands at the bottom.
 *
 * Every camera measures from itself, so all of them stand at one place, and colour and shape tell them apart. The arrow
 * is where the tag's face looks: straight at the camera when yaw is 0. A tag that is not seen any more fades and goes.
 * The list beside the map says the same in words. */
import { el, follow, setText, svg } from './dom.js';
import { markOf } from './cameras.js';

const WIDTH = 400, HEIGHT = 320, MARGIN = 28;
const DEPTH = HEIGHT - 2 * MARGIN, ASPECT = DEPTH / (WIDTH / 2 - MARGIN); // of what is seen: depth to half the width
const LEAST_CM = 10, EMPTY_CM = 100;
const GONE_S = 3;
const SHOWN_COUNT = 60; // the newest; a map with more says nothing
const LINES = 5;
const ARROW = 24;

const SHAPES = ['M-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0z', 'M-7-7H7V7H-7z', 'M0-9L9 7H-9z', 'M0-10L9 0L0 10L-9 0z',
  'M-3-9H3V-3H9V3H3V9H-3V3H-9V-3H-3z', 'M-9-7H9L0 9z'];

/** A camera's shape and colour, for legends; the map draws tags with the same. */
export function createMark(camera) {
  return svg('svg', { class: 'mark', viewBox: '-11 -11 22 22', 'aria-hidden': 'true' }, shapeOf(camera));
}

const shapeOf = camera => svg('path', { class: `shape camera-${markOf(camera)}`, d: SHAPES[markOf(camera)] });

/** The next of 1, 2, 5, 10, 20 … cm that is at least `cm`. */
function rounded(cm) {
  const power = 10 ** Math.floor(Math.log10(cm));
  return power * [1, 2, 5, 10].find(step => step * power >= cm);
}

// Telemetry is whatever a camera sends: numbers are not always numbers.
const numberOr = (value, other) => (Number.isFinite(value) ? value : other);
const decimal = value => (Number.isFinite(value) ? value.toFixed(1) : '?');

/** Returns { root, draw(tags, age_s) } for the reply of /tags, which is age_s old by now. */
export function createMap() {
  const grid = svg('g', { class: 'grid' }), tags = svg('g');
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': 'Tags from above' },
    grid, svg('path', { class: 'lens', d: `M${WIDTH / 2} ${HEIGHT - MARGIN}l-9 14h18z` }), tags);
  const list = el('ul', { class: 'tags' });
  const empty = el('p', { class: 'empty' },
    'No tag in sight. Hold an AprilTag before a camera, and it appears here.');
  const root = el('div', { class: 'map' }, picture, el('div', {}, empty, list));
  const marks = new Map(), lines = new Map();
  let reach_cm = 0;

  const scale = () => DEPTH / reach_cm; // per cm

  function drawGrid() {
    const rows = Array.from({ length: LINES }, (_, i) => reach_cm * (i + 1) / LINES);
    grid.replaceChildren(
      ...rows.flatMap(cm => {
        const y = HEIGHT - MARGIN - cm * scale();
        return [svg('path', { d: `M${MARGIN} ${y}H${WIDTH - MARGIN}` }),
          svg('text', { x: WIDTH - MARGIN, y: y - 3, 'text-anchor': 'end' }, `${cm} cm`)];
      }),
      svg('path', { d: `M${WIDTH / 2} ${MARGIN}V${HEIGHT - MARGIN}` }));
  }

  // The scale grows at once, and shrinks only when there is room to spare: else a tag at the edge makes it flicker.
  function fit(seen) {
    const needed_cm = seen.length === 0 ? reach_cm || EMPTY_CM
      : Math.max(LEAST_CM, ...seen.flatMap(({ x_cm, z_cm }) => [z_cm, Math.abs(x_cm) * ASPECT]));
    const target_cm = rounded(needed_cm);
    if (target_cm > reach_cm || rounded(needed_cm * 1.3) < reach_cm) {
      reach_cm = target_cm;
      drawGrid();
    }
  }

  function makeTag({ camera, tag_id }) {
    const arrow = svg('path', { class: `arrow camera-${markOf(camera)}`, d: `M0 9V${ARROW}m-4-6l4 6l4-6` });
    return { root: svg('g', { class: 'tag' }, arrow, shapeOf(camera), svg('text', { x: 12, y: 4 }, tag_id)), arrow };
  }

  function drawTag({ root: mark, arrow }, { x_cm, z_cm, yaw, opacity }) {
    mark.style.transform = `translate(${WIDTH / 2 + x_cm * scale()}px, ${HEIGHT - MARGIN - z_cm * scale()}px)`;
    mark.style.opacity = opacity;
    arrow.setAttribute('transform', `rotate(${yaw})`);
  }

  function makeLine({ camera, tag_id }) {
    const place = el('span', { class: 'place' });
    const name = el('b', {}, `Tag ${tag_id}`);
    return { root: el('li', {}, createMark(camera), name, el('bdi', {}, camera), place), place };
  }

  return {
    root,
    draw(answer, age_s) {
      const seen = new Map((answer?.tags ?? []).slice(-SHOWN_COUNT).map(({ camera, age_seconds, sighting }) => {
        const tag_id = String(sighting.tag_id ?? '?');
        const { x_cm, z_cm, yaw } = sighting;
        return [JSON.stringify([camera, tag_id]), {
          camera, tag_id, x_cm: numberOr(x_cm, 0), z_cm: Math.max(0, numberOr(z_cm, 0)), yaw: numberOr(yaw, 0),
          opacity: 1 - (age_seconds + age_s) / GONE_S,
          words: `x ${decimal(x_cm)} cm, z ${decimal(z_cm)} cm, yaw ${decimal(yaw)}°`,
        }];
      }).filter(([, { opacity }]) => opacity > 0));
      const keys = [...seen.keys()].sort();

      fit([...seen.values()]);
      follow(tags, marks, keys, key => makeTag(seen.get(key)));
      follow(list, lines, keys, key => makeLine(seen.get(key)));
      for (const [key, tag] of seen) {
        drawTag(marks.get(key), tag);
        setText(lines.get(key).place, tag.words);
      }
      empty.hidden = keys.length > 0;
    },
  };
}
