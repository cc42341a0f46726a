/* picture - a camera's newest picture, kept current.
 *
 * It is fetched and not just pointed at, because the reply's header tells its age, and because a request that is known
 * to fail can be left out. The picture shown stays until the next one is there. */
import { el, setText } from './dom.js';
import { patienceOf, queryOf, span } from './cameras.js';
import { ask, repeat } from './poll.js';

const UNKNOWN_MS = 2000, MIN_MS = 500, MAX_MS = 5000;
const LOOK_MS = 200; // how often to see whether there is one at all

/** How long to wait for the next picture of a camera that sends one every interval_ms (0: unknown). */
export const pause_ms = interval_ms => (interval_ms > 0 ? Math.min(MAX_MS, Math.max(MIN_MS, 0.9 * interval_ms))
  : UNKNOWN_MS);

/**
 * The picture of a camera.
 *
 * name         null for the camera whose picture came last
 * interval_ms  how often the camera sends one, 0 for unknown
 * is_there     whether there is one to ask for
 * now_s        the hub's clock
 * empty        what to say while there is none; the others are functions, called when they are needed
 * returns { root, taken_s, draw() }: taken_s is by the hub's clock, 0 before the first picture
 */
export function createPicture({ name, interval_ms, is_there, now_s, empty }) {
  const image = el('img', { alt: '', hidden: '' });
  const message = el('p', { class: 'empty' }, empty);
  const age = el('p', { class: 'age' });
  const root = el('div', { class: 'picture' }, image, message, age);
  let on_screen = true, url = null, taken_s = 0;

  new IntersectionObserver(entries => {
    on_screen = entries.at(-1).isIntersecting;
  }, { rootMargin: '200px' }).observe(root);

  async function show(blob) {
    const last = url;
    url = URL.createObjectURL(blob);
    image.src = url;
    const good = await image.decode().then(() => true, () => false);
    if (last !== null)
      URL.revokeObjectURL(last);
    image.hidden = !good;
    message.hidden = good;
    setText(message, good ? empty : 'The newest picture cannot be shown: the camera sent a broken one.');
  }

  repeat(async signal => {
    if (!on_screen || !is_there())
      return;
    const camera = name();
    const query = camera === null ? '' : `${queryOf(camera)}&`;
    const reply = await ask(`/photo?${query}t=${Date.now()}`, { signal });
    const blob = reply?.ok ? await reply.blob().catch(() => null) : null;
    if (blob === null)
      return;
    taken_s = now_s() - parseFloat(reply.headers.get('X-Frame-Age'));
    image.alt = `Newest picture of ${camera ?? 'the camera'}`;
    await show(blob);
  }, () => (is_there() ? pause_ms(interval_ms()) : LOOK_MS));
  return {
    root,
    get taken_s() {
      return taken_s;
    },
    draw() {
      const age_s = now_s() - taken_s;
      setText(age, taken_s > 0 && age_s > patienceOf(interval_ms()) ? `This picture is ${span(age_s)} old` : '');
    },
  };
}
