/* video - joins the sources of the viewer with its parts. The camera is that of the page's address, ?camera=NAME;
 * without it, the first that is known once something is known. Choosing another one is a link to another address. */
import { byId, el, follow, setText } from './dom.js';
import { Source } from './poll.js';
import { namesOf, numbersOf, queryOf } from './cameras.js';
import { adviceOf, createCameraPicture, createPlots, createState } from './camera_card.js';
import { createInterval } from './interval.js';
import { createSessions } from './sessions.js';
import { showAge, showLink, start } from './page.js';

let camera = new URLSearchParams(location.search).get('camera');

/** The camera shown; null while no picture has come from any, which the hub takes for "whichever comes first". */
function chosen() {
  camera ??= namesOf(sources).find(name => numbersOf(sources, name))
    ?? photos.data?.photos.at(-1)?.camera ?? null;
  return camera;
}

// Nobody is asked about a camera that has sent no picture: the answer is known to be 404.
const about = path => () => {
  if (chosen() === null)
    return cameras.data || cameras.is_late ? path : null;
  return numbersOf(sources, camera) || cameras.is_late ? `${path}?${queryOf(camera)}` : null;
};

const status = new Source(() => '/status', 1000);
const cameras = new Source(() => '/cameras', 1000);
const photos = new Source(() => '/photos', 1000);
const history = new Source(() => '/connection_history', 1000);
const uptime = new Source(() => '/connection_uptime', 1000);
const sources = { cameras, photos, history };
const fps = new Source(about('/video_fps'), 1000);
const stats = new Source(about('/video_stats'), 1000);

const state = createState();
const picture = createCameraPicture(sources, chosen);
const plots = createPlots();
const interval = createInterval(chosen);
const sessions = createSessions();
const links = new Map();

// label, member of the source's answer, unit
const about_pictures = createNumbers([
  [fps, ['FPS', 'fps', ''], ['Target FPS', 'target_fps', ''], ['Interval', 'interval_ms', 'ms'],
    ['Resolution', 'resolution', '']],
  [stats, ['Jitter', 'jitter', 's'], ['Efficiency', 'efficiency', '%'],
    ['Average interval', 'avg_interval', 's'], ['Shortest interval', 'min_interval', 's'],
    ['Longest interval', 'max_interval', 's'], ['Average FPS', 'avg_fps', ''],
    ['Average size', 'avg_size', 'bytes'], ['Smallest', 'min_size', 'bytes'], ['Largest', 'max_size', 'bytes'],
    ['Average processing', 'avg_processing', 'ms'], ['Longest processing', 'max_processing', 'ms'],
    ['Total frames', 'total_frames', ''], ['Dropped frames', 'dropped_frames', '']],
]);
const about_connections = createNumbers([
  [uptime, ['Newest camera connected for', 'uptime_formatted', '']],
  [history, ['Sessions that have ended', 'total_sessions', ''], ['Hub started', 'server_start_time', '']],
]);

function createNumbers(groups) {
  const rows = groups.flatMap(([source, ...list]) => list.map(([label, member, unit]) => {
    const value = el('dd', {}, '–');
    return { source, member, unit, value, root: el('div', {}, el('dt', {}, label), value) };
  }));
  return {
    root: el('dl', { class: 'numbers' }, ...rows.map(({ root }) => root)),
    draw() {
      for (const { source, member, unit, value } of rows)
        if (source.data)
          setText(value, `${source.data[member]} ${unit}`.trim());
    },
  };
}

function makeLink(name) {
  return { root: el('a', { href: `/video?${queryOf(name)}` }, el('bdi', {}, name)) };
}

function drawChoice(names) {
  byId('choice').hidden = names.length < 2 && (names.length === 0 || names[0] === chosen());
  follow(byId('choice'), links, names, makeLink);
  for (const [name, { root }] of links)
    root.setAttribute('aria-current', name === chosen() ? 'page' : 'false');
  setText(byId('camera'), chosen() ?? 'Newest picture');
}

function draw() {
  showLink(status);
  showAge('statistics', 'Camera statistics', cameras, status);
  showAge('connection', 'Connection history', history, status);
  drawChoice(namesOf(sources));
  if (camera !== null)
    state.draw(sources, camera, picture);
  picture.draw();
  about_pictures.draw();
  about_connections.draw();
  setText(byId('advice'), adviceOf(stats.data?.recommendation ?? 'WAITING_FOR_DATA'));
  plots.draw(cameras, camera);
  interval.follow(fps.data?.interval_ms);
  sessions.draw(history.data);
}

byId('state').append(state.root);
byId('picture').append(picture.root);
byId('plots').append(...plots.roots);
byId('numbers').append(about_pictures.root);
byId('interval').append(interval.root);
byId('session-list').append(about_connections.root, sessions.root);
start(draw);
