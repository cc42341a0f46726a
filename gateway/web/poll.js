/* poll - the hub's JSON, asked for again and again, with an age.
 *
 * Each source has one request in flight at most, which ends after TIMEOUT_MS, and none while nobody sees the page. What
 * was received stays until something newer comes; how old it is can be asked, so that nothing on the page is silently
 * out of date. A source that is late for LATE_MS is worth a word; a shorter gap is a service that was restarted. */

const TIMEOUT_MS = 5000;
const RETRY_MS = 1000;
const LOOK_MS = 100; // how often to see whether there is something to ask for by now
const LATE_MS = 3000;

let shown_ms = 0; // when the page was last brought to the front; before that nothing could come

document.addEventListener('visibilitychange', () => {
  shown_ms = performance.now();
});

function visible() {
  if (!document.hidden)
    return null;
  return new Promise(done => document.addEventListener('visibilitychange', done, { once: true }));
}

/** Does `work(signal)`, waits `pause_ms()`, and so on: never twice at a time, never while the page is hidden. */
export async function repeat(work, pause_ms) {
  for (;;) {
    await visible();
    await work(AbortSignal.timeout(TIMEOUT_MS));
    await new Promise(done => setTimeout(done, pause_ms()));
  }
}

/** fetch() for what must be of now; null when there is no answer in time. */
export async function ask(address, options) {
  try {
    return await fetch(address, { cache: 'no-store', ...options });
  } catch {
    return null;
  }
}

/** One address of JSON. `address()` may give null while there is nothing to ask for. */
export class Source {
  data = null;
  #received_ms = 0;

  constructor(address, period_ms) {
    let pause_ms;
    repeat(async signal => {
      const target = address();
      if (target === null)
        pause_ms = LOOK_MS;
      else
        pause_ms = await this.#load(target, signal) ? period_ms : Math.max(period_ms, RETRY_MS);
    }, () => pause_ms);
  }

  async #load(target, signal) {
    const reply = await ask(target, { signal });
    const data = reply?.ok ? await reply.json().catch(() => null) : null;
    if (data === null)
      return false;
    this.data = data;
    this.#received_ms = performance.now();
    return true;
  }

  get age_s() {
    return (performance.now() - this.#received_ms) / 1000;
  }

  get is_late() {
    return performance.now() - Math.max(this.#received_ms, shown_ms) > LATE_MS;
  }

  /** The hub's clock, for answers that tell it; else ours. */
  get now_s() {
    return this.data ? this.data.now + this.age_s : Date.now() / 1000;
  }
}
