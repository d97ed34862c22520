// Brings a part of the page to what the server says of it now, by changing what differs and nothing else: focus,
// scrolled places, opened details and what somebody has typed stay as they are.
//
// Left alone: elements with `data-live-keep`, fields that somebody is in or has changed, and drawings of scripts
// (`data-drawn`), which stand in the place of an SVG of the server and are told by an event.
"use strict";

const FIELDS = "input, select, textarea";

// What an element is about, so that it is found again at another place; null: its place says it.
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  if (node.id) return node.id;
  if (node.parentNode.nodeName === "FIGURE" && (node.nodeName === "svg" || node.hasAttribute("data-drawn"))) return "drawing";
  if (node.nodeName === "FIGURE") return node.querySelector("figcaption")?.firstChild?.textContent.trim() ?? null;
  if (node.nodeName === "TR") return (node.querySelector("a")?.getAttribute("href") ?? node.cells[0]?.textContent) || null;
  return null;
}

function fits(old, fresh) {
  const key = keyOf(fresh);
  if (key !== keyOf(old)) return false;
  return key === "drawing" || old.nodeName === fresh.nodeName;
}

function isChanged(field) {
  if (field.nodeName === "SELECT") return [...field.options].some((each) => each.selected !== each.defaultSelected);
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

function isKept(old) {
  if (old.hasAttribute("data-live-keep") || old.hasAttribute("data-drawn")) return true;
  return old.matches(FIELDS) && (old === document.activeElement || isChanged(old));
}

function bringAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function bringChildren(old, fresh) {
  const left = [...old.childNodes];
  const pairs = [...fresh.childNodes].map((wanted) => {
    const found = left.findIndex((each) => fits(each, wanted));
    return [wanted, found < 0 ? null : left.splice(found, 1)[0]];
  });
  // First, so that what stays need not be moved past what goes: an element that is moved loses focus and scroll.
  left.forEach((gone) => gone.remove());
  let place = old.firstChild;
  for (const [wanted, kept] of pairs) {
    if (kept === null) {
      old.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (kept === place) place = place.nextSibling;
    else old.insertBefore(kept, place);
    bring(kept, wanted);
  }
}

function bring(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (isKept(old) || old.isEqualNode(fresh)) return;
  bringAttributes(old, fresh);
  bringChildren(old, fresh);
}

export function renew(old, fresh) {
  const focused = document.activeElement;
  bring(old, fresh);
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("hopsight:renewed"));
}
