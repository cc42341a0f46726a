/* camera_card - one camera: its picture, how it is, its numbers, and the control of its interval. Both pages are made
 * of its parts: the dashboard shows a whole card per camera, the viewer one large picture and the rest beside it. */
import { el, setDot, setText } from './dom.js';
import { hasPicture, nowOf, numbersOf, queryOf, stateOf } from './cameras.js';
import { createInterval } from './interval.js';
import { createMark } from './map.js';
import { createPicture } from './picture.js';
import { createPlot } from './plot.js';

const FPS_COUNT = 60, INTERVAL_COUNT = 20;

/** The hub's recommendation, "WORD - sentence", in words. */
export const adviceOf = recommendation => (recommendation === 'WAITING_FOR_DATA'
  ? 'WAITING - Statistics need two pictures' : recommendation);

/** Shape and word for how a camera is. Returns { root, draw(sources, name, picture) }. */
export function createState() {
  const dot = el('span'), words = el('span');
  return {
    root: el('p', { class: 'state' }, dot, ' ', words),
    draw(sources, name, picture) {
      const now = stateOf(sources, name, picture.taken_s);
      setDot(dot, now.state);
      setText(words, now.words);
    },
  };
}

/** The picture of the camera that name() tells, asked for only when there is one, as far as is known. */
export function createCameraPicture(sources, name) {
  const numbers = () => numbersOf(sources, name());
  return createPicture({
    name,
    interval_ms: () => numbers()?.interval_ms ?? 0,
    is_there: () => hasPicture(sources, name()),
    now_s: () => nowOf(sources),
    empty: 'No picture yet. A camera with video sends one by itself; one without shows up on the map of the dashboard.',
  });
}

/** FPS since the page was opened, a minute at most, and the last intervals. Returns { roots, draw(cameras, name) }. */
export function createPlots() {
  const fps = createPlot('line', 'Recent FPS');
  const intervals = createPlot('bars', 'Recent intervals', INTERVAL_COUNT);
  const samples = [];
  let sampled = null;

  return {
    roots: [fps.root, intervals.root],
    draw(cameras, name) {
      const numbers = numbersOf({ cameras }, name);
      if (cameras.data === sampled || numbers === undefined)
        return;
      sampled = cameras.data;
      samples.push(numbers.fps);
      samples.splice(0, samples.length - FPS_COUNT);
      fps.draw(samples, value => value.toFixed(2));
      intervals.draw(numbers.intervals.map(s => 1000 * s), value => `${value.toFixed(0)} ms`);
    },
  };
}

/** The card of the dashboard. Returns { root, draw() }. */
export function createCard(sources, name) {
  const state = createState();
  const picture = createCameraPicture(sources, () => name);
  const plots = createPlots();
  const interval = createInterval(() => name);
  const advice = el('p', { class: 'advice' });
  const values = Object.fromEntries(['FPS', 'Jitter', 'Interval', 'Resolution'].map(label => [label, el('dd')]));
  const numbers = el('dl', { class: 'numbers' },
    ...Object.entries(values).map(([label, value]) => el('div', {}, el('dt', {}, label), value)));
  const video = el('div', { class: 'video' }, numbers, advice, ...plots.roots, interval.root);
  const root = el('article', { class: 'card' },
    el('header', {}, el('h3', {}, createMark(name), el('bdi', {}, name)), state.root),
    el('a', { href: `/video?${queryOf(name)}` }, picture.root), video);

  return {
    root,
    draw() {
      const now = numbersOf(sources, name);
      state.draw(sources, name, picture);
      plots.draw(sources.cameras, name);
      interval.follow(now?.interval_ms);
      picture.draw();
      video.hidden = now === undefined;
      if (now === undefined)
        return;
      setText(values.FPS, now.fps);
      setText(values.Jitter, `${now.jitter} s`);
      setText(values.Interval, `${now.interval_ms} ms`);
      setText(values.Resolution, now.resolution);
      setText(advice, adviceOf(now.recommendation));
    },
  };
}
