/* cameras - which cameras there are, and how each of them is, put together from the sources that know a part. */

const FRESH_S = 3;
const MARKS = 6; // shapes and colours in map.js and style.css
const marks = new Map();

/** The number of a camera's shape and colour, the same on all of the page. */
export function markOf(name) {
  if (!marks.has(name))
    marks.set(name, marks.size % MARKS);
  return marks.get(name);
}

/** Names of all cameras that are here, have a picture, or have sent something since the hub started, sorted. */
export function namesOf({ cameras, photos, tags, history }) {
  const names = [...(cameras.data?.cameras ?? []), ...(photos.data?.photos ?? []), ...(tags?.data?.tags ?? []),
    ...(history.data?.open_sessions ?? [])].map(({ camera }) => camera);
  return [...new Set(names)].sort((a, b) => a.localeCompare(b));
}

/** The numbers of a camera that has sent pictures, else undefined. */
export const numbersOf = ({ cameras }, name) => cameras.data?.cameras.find(({ camera }) => camera === name);

/** Whether there is a picture of a camera (null: of any) to ask for, as far as is known. */
export const hasPicture = ({ photos }, name) => photos.is_late
  || (photos.data?.photos.some(({ camera }) => name === null || camera === name) ?? false);

/** The query that asks for one camera, in the hub's addresses and in those of the pages. */
export const queryOf = name => `camera=${encodeURIComponent(name)}`;

/** A time of day, with the date when it was another day. */
export function clock(epoch_s) {
  const time = new Date(epoch_s * 1000);
  const today = time.toDateString() === new Date().toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleString();
}

/** Seconds as people say them. */
export function span(s) {
  const whole = Math.max(0, Math.floor(s));
  return whole < 120 ? `${whole} s` : whole < 7200 ? `${Math.floor(whole / 60)} min` : `${Math.floor(whole / 3600)} h`;
}

/** For how long a camera may be silent and still be live, when it sends a picture every interval_ms (0: unknown). */
export const patienceOf = interval_ms => Math.max(FRESH_S, 3 * interval_ms / 1000);

/** The hub's clock, by which all of its times are judged. */
export const nowOf = ({ cameras, tags }) => (cameras.data ? cameras : tags ?? cameras).now_s;

/**
 * How a camera is: { state, words }. Live is what sent something just now; stale is connected but silent; offline is
 * the rest. `picture_s` is when the picture shown was taken: it tells of life also while the statistics are away.
 */
export function stateOf(sources, name, picture_s) {
  const { cameras, tags, history } = sources;
  const of = ({ camera }) => camera === name;
  const numbers = numbersOf(sources, name);
  const tag_age_s = tags?.data?.tags.findLast(of)?.age_seconds ?? Infinity;
  const seen_s = Math.max(picture_s, numbers?.last_photo_timestamp ?? 0, (tags?.data?.now ?? 0) - tag_age_s);
  const silent_s = nowOf(sources) - seen_s;
  const open = history.data?.open_sessions.some(of);
  const left_s = history.data?.sessions.findLast(of)?.disconnect_timestamp ?? 0;

  if (!open && left_s >= seen_s)
    return { state: 'offline', words: left_s > 0 ? `Offline since ${clock(left_s)}` : 'Offline' };
  if (silent_s <= patienceOf(numbers?.interval_ms ?? 0))
    return { state: 'live', words: 'Live' };
  if (open && seen_s <= 0)
    return { state: 'stale', words: 'Connected, nothing sent yet' };
  if (open || history.is_late)
    return { state: 'stale', words: `Stale: nothing for ${span(silent_s)}` };
  return { state: 'offline', words: `Offline since ${clock(seen_s)}` };
}
