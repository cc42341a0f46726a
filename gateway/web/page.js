/* page - what both pages do alike: they draw all of themselves some times a second, so that ages grow also while
 * nothing comes, and say what is out of date: the whole hub at the top, one inner service beside its own numbers. */
import { byId, setDot, setText } from './dom.js';

const DRAW_MS = 250;

/** The hub as a whole; `status` is answered by the gateway alone, so it fails only with the hub. */
export function showLink(status) {
  const [state, words] = status.is_late ? ['stale', 'Hub unreachable, trying again']
    : status.data ? ['live', 'Hub online'] : ['offline', 'Connecting'];
  setDot(byId('link-dot'), state);
  setText(byId('link'), words);
}

/** The part of the page with this id shows `source`; its `.note` says when that is old, and who is away. */
export function showAge(id, what, source, status) {
  const age = source.data ? `data is ${Math.floor(source.age_s)} s old` : 'no data yet';
  setText(byId(id).querySelector('.note'), !source.is_late ? '' : status.is_late ? `Hub unreachable: ${age}`
    : `${what} unavailable, trying again: ${age}`);
}

/** Shows the parts that need scripts, and draws from now on. */
export function start(draw) {
  for (const part of document.querySelectorAll('.scripted'))
    part.hidden = false;
  draw();
  setInterval(draw, DRAW_MS);
}
