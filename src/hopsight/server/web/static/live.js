// Renews the page when the server tells of a new round, and says in words how current it is. A tab that nobody
// sees listens to nothing: browsers open only six connections to one server.
"use strict";

import { renew } from "./renew.js";

const bar = document.querySelector("[data-live]");
const state = bar.querySelector("[data-live-state]");
const detail = bar.querySelector("[data-live-detail]");
const button = bar.querySelector("button");

const OLD_S = 300;
const TICK_MS = 1000;
const RETRY_S = 5;
// A page that takes the server long is asked for less often: at most this share of the time.
const REST = 10;
const REFUSED_RETRY_S = 30;
const SIGNED_OUT = "you are not signed in any more; load the page again";
const REFUSALS = { 429: "you have too many live pages open", 503: "the server has no room for another live page" };

let source = null;
let openedAt = 0;
let heardAt = Date.now();
// When the page became visible again: it may be silent for a moment before it is called so.
let graceUntil = Date.now() + 5000;
let offsetS = 0;
let round = Number(bar.dataset.round);
let told = null;
let shown = null;
let fetchedAt = Date.now();
let tookS = 0;
let busy = false;
let held = false;
let paused = false;
let ended = "";
let trouble = "";
let refusal = "";

// Seconds by this machine's wall clock, which goes on while the machine sleeps.
function since(atMs) {
  return Math.max(0, (Date.now() - atMs) / 1000);
}

function setting(name) {
  return Number(bar.dataset[name]);
}

function duration(seconds) {
  return seconds < 120 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}

function utc(epochS) {
  return `${new Date(epochS * 1000).toISOString().slice(11, 19)} UTC`;
}

function words() {
  const isOpen = source?.readyState === EventSource.OPEN;
  const silentS = since(heardAt);
  const ageS = Math.max(0, Date.now() / 1000 + offsetS - round);
  if (ended) return ["Ended", ended];
  if (paused) return ["Paused", `as of ${utc(fetchedAt / 1000 + offsetS)}`];
  if (refusal && !isOpen) return ["Not live", `${refusal}; trying again`];
  if (silentS > setting("silentS") && Date.now() > graceUntil) {
    return ["Stalled", `nothing heard from the server for ${duration(silentS)} (reconnecting)`];
  }
  if (trouble) return ["Not renewed", trouble];
  if (!isOpen) return ["Connecting", `last heard ${duration(silentS)} ago`];
  if (!round) return ["Live", "no round yet"];
  if (ageS > OLD_S) return [`No new round for ${duration(Math.floor(ageS / OLD_S) * OLD_S)}`, `the last was ${utc(round)}`];
  return ["Live", `last round ${utc(round)}, ${duration(ageS)} ago`];
}

function say() {
  const [name, more] = words();
  // Only the state is read out, and only when it changes.
  if (state.textContent !== name) state.textContent = name;
  detail.textContent = `: ${more}`;
  bar.dataset.liveIs = name.split(" ")[0].toLowerCase();
}

function heard(event) {
  const data = JSON.parse(event.data);
  heardAt = Date.now();
  offsetS = data.now - heardAt / 1000;
  // This clock may have been set back.
  fetchedAt = Math.min(fetchedAt, heardAt);
  return data;
}

function hearRound(event) {
  const data = heard(event);
  const isFirst = told === null;
  told = event.lastEventId;
  // The page itself may be as new as the first that is told.
  if (isFirst && data.round <= Number(bar.dataset.round)) shown = told;
  round = data.round;
  tick();
}

function end(reason) {
  ended = reason;
  close();
  say();
}

function close() {
  source?.close();
  source = null;
}

function open() {
  close();
  if (paused || ended || document.hidden) return;
  openedAt = Date.now();
  source = new EventSource(bar.dataset.live);
  source.addEventListener("round", hearRound);
  source.addEventListener("beat", (event) => {
    heard(event);
    tick();
  });
  source.addEventListener("open", () => {
    refusal = "";
  });
  source.addEventListener("over", () => end(SIGNED_OUT));
  source.addEventListener("error", refused);
}

// The browser does not say why a stream was refused, and gives it up: so it is asked for once more.
async function refused() {
  say();
  const mine = source;
  if (!mine || mine.readyState !== EventSource.CLOSED) return;
  try {
    const { status } = await fetch(bar.dataset.live, { method: "HEAD" });
    if (mine !== source) return;
    if (status === 400 || status === 401) end(SIGNED_OUT);
    else refusal = REFUSALS[status] ?? "";
  } catch {
    refusal = "";
  }
  say();
}

async function fetchPage() {
  busy = true;
  const wanted = told;
  const askedAt = performance.now();
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(60_000) });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
      end(SIGNED_OUT);
      return;
    }
    trouble = answer.ok ? "" : `the server answered ${answer.status}; trying again`;
    if (answer.ok) {
      tookS = (performance.now() - askedAt) / 1000;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      while (held) await new Promise((done) => setTimeout(done, 100));
      if (paused) return;
      document.title = fresh.title;
      renew(document.getElementById("main"), fresh.getElementById("main"));
      shown = wanted;
    }
  } catch {
    trouble = "the page did not come; trying again";
  } finally {
    fetchedAt = Date.now();
    busy = false;
    say();
  }
}

function tick() {
  say();
  if (paused || ended || document.hidden) return;
  const isSilent = since(heardAt) > setting("silentS");
  const isClosed = !source || source.readyState === EventSource.CLOSED;
  const retryS = refusal ? REFUSED_RETRY_S : RETRY_S;
  if ((isClosed && since(openedAt) > retryS) || (isSilent && since(openedAt) > setting("silentS"))) open();
  const ageS = since(fetchedAt);
  const isDue = ageS >= REST * tookS && ageS >= setting(told === shown ? "alsoS" : "everyS");
  if (isDue && !isSilent && !isClosed && !busy && !held) fetchPage();
}

function hold(event) {
  held = event.buttons !== 0;
}

button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Resume" : "Pause";
  if (paused) close();
  else open();
  graceUntil = Date.now() + 5000;
  say();
});
document.addEventListener("visibilitychange", () => {
  graceUntil = Date.now() + 5000;
  if (document.hidden) close();
  else open();
  say();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && open());
addEventListener("online", open);
for (const name of ["pointerdown", "pointerup", "pointermove", "pointercancel"]) addEventListener(name, hold, true);

bar.hidden = false;
open();
say();
setInterval(tick, TICK_MS);
