/* sessions - the table of cameras' connections: those that are open, then those that have ended, newest first. */
import { el, follow, setDot, setText } from './dom.js';

const REASONS = {
  closed: 'closed by the camera', lost: 'connection lost', silent: 'no sign of life', slow: 'took no messages',
  violation: 'broke a rule', role: 'no camera any more', hub_stop: 'hub stopped',
  hub_restart: 'hub ended without a word',
};

/** "14:02:05", with the date when it is another day than that of `other`. */
const timeOnly = (time, other) => (time.slice(0, 10) === other.slice(0, 10) ? time.slice(11) : time);

function makeRow({ camera, address, transport, port }) {
  const time = el('td', { class: 'number' }), duration = el('td', { class: 'number' });
  const dot = el('span'), state = el('span');
  return {
    root: el('tr', {}, el('th', { scope: 'row' }, el('bdi', {}, camera),
      el('small', {}, `${address}, ${transport}, port ${port}`)), time, duration,
    el('td', { class: 'state' }, dot, ' ', state)),
    show({ connect_time, disconnect_time, duration_formatted, reason }) {
      setText(time, disconnect_time ? `${connect_time} to ${timeOnly(disconnect_time, connect_time)}` : connect_time);
      setText(duration, duration_formatted);
      setDot(dot, disconnect_time ? 'offline' : 'live');
      setText(state, disconnect_time ? `Ended: ${REASONS[reason] ?? reason}` : 'Connected');
    },
  };
}

/** Returns { root, draw(history) } for the reply of /connection_history. */
export function createSessions() {
  const body = el('tbody');
  const heads = ['Camera', 'Time at the hub', 'Duration', 'State'].map(head => el('th', { scope: 'col' }, head));
  const table = el('table', {}, el('thead', {}, el('tr', {}, ...heads)), body);
  const empty = el('p', { class: 'empty' }, 'No session yet: one begins when a camera identifies itself by WebSocket.');
  const rows = new Map();

  return {
    root: el('div', {}, table, empty),
    draw(history) {
      const all = [...(history?.sessions ?? []), ...(history?.open_sessions ?? [])].reverse();
      const sessions = new Map(all.map(one => [JSON.stringify([one.camera, one.connect_timestamp, one.port]), one]));

      follow(body, rows, [...sessions.keys()], key => makeRow(sessions.get(key)));
      for (const [key, session] of sessions)
        rows.get(key).show(session);
      table.hidden = all.length === 0;
      empty.hidden = all.length > 0 || !history;
    },
  };
}
