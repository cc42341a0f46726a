/* plot - a small plot of recent numbers: a line or bars over one another's largest, with its range in words. */
import { el, setText, svg } from './dom.js';

const WIDTH = 200, HEIGHT = 40;

// A line is as wide as the plot however few its points; bars come in from the right.
const path = {
  line: (values, y) => [values[0], ...values].map((value, i) =>
    `${i ? 'L' : 'M'}${(i * WIDTH / values.length).toFixed(1)} ${y(value)}`).join(''),
  bars: (values, y, room) => values.map((value, i) =>
    `M${(room - values.length + i) * WIDTH / room} ${HEIGHT}V${y(value)}h${0.7 * WIDTH / room}V${HEIGHT}z`).join(''),
};

/** kind: 'line' or 'bars'; title: what it shows; room: how many bars fit. Returns { root, draw(values, words) }. */
export function createPlot(kind, title, room) {
  const curve = svg('path', { class: `curve ${kind}` });
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }, curve);
  const range = el('span');
  const root = el('figure', { class: 'plot' }, el('figcaption', {}, el('span', {}, title), range), picture);

  const plot = {
    root,
    /** The newest value comes last and stands at the right; words(number) writes one. */
    draw(values, words) {
      const least = Math.min(...values), most = Math.max(...values);
      const text = values.length ? `${words(least)} to ${words(most)}` : 'nothing yet';
      const y = value => (HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 4)).toFixed(1);
      setText(range, text);
      picture.setAttribute('aria-label', `${title}: ${text}`);
      curve.setAttribute('d', values.length ? path[kind](values, y, room) : '');
    },
  };
  plot.draw([]);
  return plot;
}
