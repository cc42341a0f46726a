/* dom - elements from names, attributes and text.
 *
 * Names of cameras and all else that clients send are text and stay text: the one way from a string into the page is
 * through text nodes and attributes, never through markup. */

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An HTML element; children are nodes or strings. */
export const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/** An SVG element. */
export const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

/** The element of the page with this id. */
export const byId = id => document.getElementById(id);

/** Sets a text, but only when it differs, so that selections stay and readers are told of changes alone. */
export function setText(node, text) {
  const string = String(text);
  if (node.textContent !== string)
    node.textContent = string;
}

/** A state as shape and colour; the word stands beside it: 'live', 'stale' or 'offline'. */
export function setDot(node, state) {
  const name = `dot ${state}`;
  if (node.className !== name)
    node.className = name;
}

/**
 * Makes the children of `parent` follow `keys`: `make(key)` builds what is new, what is gone is removed, and the rest
 * stays where it is, with focus and state. `kept` is the caller's Map from key to what was made, which has a `root`.
 */
export function follow(parent, kept, keys, make) {
  const wanted = new Set(keys);
  for (const [key, item] of kept)
    if (!wanted.has(key)) {
      item.root.remove();
      kept.delete(key);
    }
  keys.forEach((key, place) => {
    if (!kept.has(key))
      kept.set(key, make(key));
    const { root } = kept.get(key);
    if (parent.children[place] !== root)
      parent.insertBefore(root, parent.children[place] ?? null);
  });
}
