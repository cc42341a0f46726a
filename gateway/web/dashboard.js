/* dashboard - joins the sources of the dashboard with its parts: overview, a card per camera, map, sessions. */
import { byId, follow, setDot, setText } from './dom.js';
import { Source } from './poll.js';
import { namesOf } from './cameras.js';
import { createCard } from './camera_card.js';
import { createMap } from './map.js';
import { createSessions } from './sessions.js';
import { showAge, showLink, start } from './page.js';

const status = new Source(() => '/status', 1000);
const cameras = new Source(() => '/cameras', 1000);
const photos = new Source(() => '/photos', 1000);
const tags = new Source(() => '/tags', 200);
const history = new Source(() => '/connection_history', 1000);
const sources = { cameras, photos, tags, history };

const cards = new Map();
const map = createMap();
const sessions = createSessions();

function drawStatus({ websocket, apriltag_events, uptime_seconds, version }) {
  const { esp32_connected, esp32_clients, gdevelop_clients, active_connections } = websocket;
  setText(byId('esp32'), esp32_connected ? 'Connected' : 'Not connected');
  setDot(byId('esp32-dot'), esp32_connected ? 'live' : 'offline');
  setText(byId('esp32-count'), `${esp32_clients} ${esp32_clients === 1 ? 'camera' : 'cameras'} by WebSocket`);
  setText(byId('gdevelop'), gdevelop_clients);
  setText(byId('connections'), active_connections);
  setText(byId('events'), apriltag_events);
  setText(byId('uptime'), Math.floor(uptime_seconds / 60));
  setText(byId('version'), version);
}

function draw() {
  const names = namesOf(sources);

  showLink(status);
  showAge('overview', 'Status', status, status);
  showAge('cameras', 'Camera statistics', cameras, status);
  showAge('tags', 'Tags', tags, status);
  showAge('sessions', 'Connection history', history, status);
  if (status.data)
    drawStatus(status.data);
  follow(byId('cards'), cards, names, name => createCard(sources, name));
  for (const card of cards.values())
    card.draw();
  byId('no-camera').hidden = names.length > 0 || !cameras.data;
  map.draw(tags.data, tags.age_s);
  sessions.draw(history.data);
}

byId('map').append(map.root);
byId('session-list').append(sessions.root);
start(draw);
