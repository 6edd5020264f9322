// One sound at a time: heard to its end, answered on two scales, kept by the server before the next one is shown.
// What was set and not yet kept lies in this browser's own storage, so that closing the page loses nothing.
"use strict";

const $ = (id) => document.getElementById(id);
const scales = ["cag", "rel"];
const WHO = "nightcrate-listener";
const player = new Audio();
let standing = null; // who listens, and the sounds in this listener's order
let code = null;
let current = null; // {token, plays, cag, rel, sending}: cag and rel null until they are set
let loaded = new Map(); // token -> promise of an object URL

const show = (part) => ["begin", "listen", "end"].forEach((id) => { $(id).hidden = id !== part; });

function tell(line, trouble = false) {
  $("told").textContent = line;
  $("told").className = trouble ? "trouble" : "";
}

// A refusal (4xx) is an error with its line; no answer at all is tried again until the server is back.
async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
  };
  for (;;) {
    let response = null;
    try {
      response = await fetch(path, options);
    } catch {
      tell("The server does not answer; trying again. What you set is kept in this browser.", true);
      await new Promise((resolve) => setTimeout(resolve, 700));
      continue;
    }
    if (!response.ok) throw new Error((await response.text()).trim());
    tell("");
    return response.json();
  }
}

function load(token) {
  if (!loaded.has(token)) {
    loaded.set(token, fetch(`/sounds/${token}.wav`).then(async (response) => {
      if (!response.ok) throw new Error((await response.text()).trim());
      return URL.createObjectURL(await response.blob());
    }).catch((error) => { loaded.delete(token); throw error; }));
  }
  return loaded.get(token);
}

const draftName = () => `nightcrate-draft-${code}`;
const saveDraft = () => localStorage.setItem(draftName(), JSON.stringify(current));

function readDraft(token) {
  try {
    const draft = JSON.parse(localStorage.getItem(draftName()));
    if (draft && draft.token === token) return draft;
  } catch { /* not ours: begin anew */ }
  return {token, plays: 0, cag: null, rel: null, sending: false};
}

function paint() {
  $("scales").disabled = current.plays === 0 || current.sending; // a change after sending would be lost
  for (const id of scales) {
    $(id).value = current[id] ?? 50;
    $(id).classList.toggle("unset", current[id] === null);
    $(`${id}-value`).textContent = current[id] ?? "–";
  }
  $("next").disabled = current.plays === 0 || scales.some((id) => current[id] === null) || current.sending;
}

function showNext() {
  const open = standing.sounds.filter((sound) => !sound.answered);
  const done = standing.sounds.length - open.length;
  $("done").max = standing.sounds.length;
  $("done").value = done;
  player.pause();
  if (!open.length) {
    current = null;
    localStorage.removeItem(draftName());
    localStorage.removeItem(WHO);
    return show("end");
  }
  const sound = open[0];
  current = readDraft(sound.token);
  $("place").textContent = `Sound ${done + 1} of ${standing.sounds.length}`;
  $("prompt").textContent = `“${sound.prompt}”`;
  $("heard").value = 0;
  $("playing").textContent = current.plays ? "Play again" : "Play";
  show("listen");
  paint();
  (current.plays ? $("cag") : $("play")).focus();
  load(sound.token).then(() => open[1] && load(open[1].token)).catch(() => {});
  if (current.sending) send();
}

async function play() {
  const token = current.token;
  try {
    const url = await load(token);
    if (!current || current.token !== token) return;
    if (player.src !== url) player.src = url;
    player.currentTime = 0;
    await player.play();
    tell("");
  } catch (error) {
    if (error.name !== "AbortError") tell(`The sound cannot be played: ${error.message}`, true);
  }
}

player.addEventListener("timeupdate", () => { $("heard").value = player.duration ? player.currentTime / player.duration : 0; });
player.addEventListener("ended", () => {
  if (!current) return;
  current.plays += 1;
  $("heard").value = 1;
  $("playing").textContent = "Play again";
  saveDraft();
  paint();
  if (current.plays === 1) $("cag").focus();
});

function set(id, value) {
  current[id] = value;
  saveDraft();
  paint();
}

async function send() {
  if (current.plays === 0) return tell("Please listen to the sound first: press space.");
  const unset = scales.filter((id) => current[id] === null);
  if (unset.length) {
    $(unset[0]).focus();
    return tell("Please set both scales.");
  }
  current.sending = true;
  saveDraft();
  paint();
  const {token, cag, rel, plays} = current;
  try {
    await ask(`/api/listeners/${code}/answers`, {token, cag, rel, plays});
  } catch (error) {
    current.sending = false;
    saveDraft();
    paint();
    $("cag").focus();
    return tell(error.message, true);
  }
  const sound = standing.sounds.find((one) => one.token === token);
  sound.answered = true;
  load(token).then((url) => { loaded.delete(token); URL.revokeObjectURL(url); }).catch(() => {});
  showNext();
}

async function begin(name) {
  try {
    const begun = await ask("/api/listeners", {name});
    await goOn(begun.code);
  } catch (error) {
    tell(error.message, true);
  }
}

async function goOn(wanted) {
  standing = await ask(`/api/listeners/${wanted}`);
  code = wanted;
  localStorage.setItem(WHO, code);
  history.replaceState(null, "", `/listen/${code}`);
  $("name").textContent = standing.name;
  $("who").hidden = false;
  $("rehearsal").hidden = !standing.rehearsal;
  showNext();
}

function leave() {
  localStorage.removeItem(WHO);
  location.href = "/";
}

document.addEventListener("keydown", (event) => {
  if (!current || $("listen").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  const scale = scales.includes(document.activeElement.id) ? document.activeElement.id : null;
  if (document.activeElement.id === "leave") return;
  if (event.key === " ") {
    event.preventDefault();
    if (!event.repeat) play();
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (!event.repeat && !current.sending) send();
  } else if (scale && /^[0-9]$/.test(event.key)) {
    event.preventDefault();
    set(scale, event.key === "0" ? 100 : Number(event.key) * 10);
  }
});
// A focused button would be pressed a second time when space is let go.
document.addEventListener("keyup", (event) => {
  if (event.key === " " && current && document.activeElement.id !== "leave") event.preventDefault();
});
for (const id of scales) {
  const take = () => set(id, Number($(id).value));
  $(id).addEventListener("input", take);
  // The thumb waits in the middle: a press on it there changes no value, so no input is told of.
  $(id).addEventListener("pointerup", (event) => { if (event.button === 0 && !$("scales").disabled) take(); });
}
$("play").addEventListener("click", play);
$("next").addEventListener("click", send);
$("leave").addEventListener("click", leave);
$("anonymous").addEventListener("click", () => begin(null));
$("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("typed").value.trim();
  if (name) begin(name);
  else tell("Type a name, or begin without one.");
});

function askName() {
  history.replaceState(null, "", "/");
  show("begin");
  $("typed").focus();
}

const asked = location.pathname.startsWith("/listen/") ? location.pathname.slice(8) : localStorage.getItem(WHO);
if (asked) {
  goOn(asked).catch(() => { localStorage.removeItem(WHO); askName(); });
} else {
  askName();
}
