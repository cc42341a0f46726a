/* interval - asks a camera to send pictures more or less often, and tells what came of it. */
import { el, setText } from './dom.js';
import { ask } from './poll.js';

const MIN_MS = 100, MAX_MS = 10000, STEP_MS = 100;
const CHOICES_MS = [200, 500, 1000, 2000, 5000];
const SETTLE_MS = 300; // a slider moved by keys is not done at the first key

const words = ms => `${ms} ms`;
const rate = ms => `${Number((1000 / ms).toFixed(2))} pictures per second`;

async function send(camera, interval_ms) {
  const body = JSON.stringify({ interval_ms, ...(camera === null ? {} : { camera }) });
  const reply = await ask('/set_video_interval', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal: AbortSignal.timeout(5000),
  });
  if (reply === null)
    return 'Not sent: the hub does not answer. Try again.';
  const answer = await reply.json().catch(() => ({}));
  return reply.ok ? `Sent to the camera: a picture every ${words(interval_ms)}.`
    : `Not sent: ${answer.message ?? answer.error ?? `status ${reply.status}`}.`;
}

/** Slider, buttons and outcome for one camera; for all when camera() is null. Returns { root, follow(interval_ms) }. */
export function createInterval(camera) {
  const slider = el('input', { type: 'range', min: MIN_MS, max: MAX_MS, step: STEP_MS, value: 1000 });
  const value = el('output');
  const outcome = el('p', { class: 'outcome', role: 'status' });
  const buttons = CHOICES_MS.map(ms => el('button', { type: 'button', 'data-ms': ms }, `${ms / 1000} s`));
  const root = el('fieldset', { class: 'interval' }, el('legend', {}, 'Ask for a picture every'),
    el('label', {}, el('span', { class: 'unseen' }, 'Interval between pictures'), slider, value),
    el('div', { class: 'buttons' }, ...buttons), outcome);
  let touched = false, timer = 0, newest = 0;

  function show(ms) {
    slider.value = ms;
    const set_ms = Number(slider.value);
    setText(value, words(set_ms));
    slider.setAttribute('aria-valuetext', `${words(set_ms)}, ${rate(set_ms)}`);
    for (const button of buttons)
      button.setAttribute('aria-pressed', touched && Number(button.dataset.ms) === set_ms);
  }

  function choose(ms, settle_ms) {
    touched = true;
    show(ms);
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const number = ++newest;
      setText(outcome, 'Sending');
      const result = await send(camera(), Number(slider.value));
      if (number === newest)
        setText(outcome, result);
    }, settle_ms);
  }

  slider.addEventListener('input', () => choose(slider.value, SETTLE_MS));
  for (const button of buttons)
    button.addEventListener('click', () => choose(button.dataset.ms, 0));
  show(1000);
  return {
    root,
    follow(interval_ms) { // until somebody takes the slider, it shows what the camera does
      if (!touched && interval_ms > 0)
        show(interval_ms);
    },
  };
}
