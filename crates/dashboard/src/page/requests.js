// What is asked: of the whole server, and on one connection.
"use strict";

let isAsking = false;
const lookAtRequests = async () => {
  if (isAsking) return;
  isAsking = true;
  try {
    showRequests(await (await fetch("/requests")).json());
  } catch {
    // The next event says that the server is gone, or the next look finds it back.
  } finally {
    isAsking = false;
  }
};
const showRequests = (all) => {
  by("gathered").textContent = `What is asked is gathered while somebody looks: ${number(all.seen)} answers so far`
    + `${all.missed ? `, and ${number(all.missed)} more that came too fast to be looked at` : ""}.`;
  for (const kind of ["sites", "paths", "not_found", "clients", "referrers"]) {
    fill(`top-${kind}`, all[kind].map(({ name, times, doubt }) => [
      cell(name, "text"), cell(doubt ? `${number(times - doubt)} to ${number(times)}` : number(times)),
    ]));
  }
  fill("troubles", all.troubles.map((one) => [
    cell(time(one.ago_us / 1e6)), cell(one.status, one.status >= 500 ? "bad" : ""), cell(time(one.first_us / 1e6)),
    cell(ending(one)), cell(one.client, "text"), cell(asked(one), "text break"), cell(one.reason || "slow", "text"), explained(one),
  ]));
};
const asked = ({ method, host, path }) => method ? `${method} ${host}${path}` : "no request";
const ending = ({ whole_us: us }) => us === null ? "under way" : time(us / 1e6);

// What a client has sent, as one word of a shell that does nothing but be that word: what is not
// printable, and what a shell knows within quotes, is written as in a URL.
const quoted = (text) => `'${text.replace(/[^!-&(-~]/gu, (letter) => encodeURIComponent(letter).replace("'", "%27"))}'`;

// How the same request would be answered, and why: for a terminal of the server.
const explained = (one) => {
  const made = cell("", "text");
  if (!one.method) return made;
  const words = document.createElement("code");
  const method = one.method === "GET" ? "" : ` -X ${quoted(one.method)}`;
  const url = `http${one.tls ? "s" : ""}://${one.host}${one.path}${one.query ? `?${one.query}` : ""}`;
  words.textContent = `gannet explain ${quoted(url)}${method}`;
  made.append(words);
  return made;
};

// The story of a connection: what has happened on it, what was asked, and a lane for each stream.
const story = (one) => {
  const made = cell("", "text story");
  made.colSpan = 14;
  if (!one.events) {
    made.textContent = "Its story comes with the next look.";
    return made;
  }
  const events = one.events.map(({ us, what }) => ({ us, what }));
  const answers = one.answers.map((answer) => ({ us: answer.us, what: answerWords(answer) }));
  const all = [...events, ...answers, ...pauses(one)].sort((first, other) => first.us - other.us);
  if (one.requests === null) {
    made.textContent = "It came before anybody could look, or has not been accepted yet.";
    return made;
  }
  const list = document.createElement("ol");
  for (const { us, what } of all) {
    const item = document.createElement("li");
    item.textContent = `${time(us / 1e6)}  ${what}`;
    list.append(item);
  }
  const count = document.createElement("p");
  count.textContent = `${number(one.requests)} requests were answered on it; those are told of that came while somebody looked.`;
  made.append(count, list);
  if (one.answers.length) made.append(lanes(one.answers));
  return made;
};
// When nothing was asked, for longer than a blink: between answers, and since the last one.
const BLINK_US = 1e4;
const pauses = ({ answers, state, age_us: age }) => {
  const found = [];
  let end = null;
  const pause = (until) => {
    if (end !== null && until - end > BLINK_US) found.push({ us: end, what: `idle for ${time((until - end) / 1e6)}` });
  };
  for (const { us, first_us: first, whole_us: whole } of answers) {
    pause(us);
    end = whole === null ? Infinity : Math.max(end ?? 0, us + Math.max(first, whole));
  }
  if (state === "ESTABLISHED" && age !== null) pause(age);
  return found;
};
const answerWords = (answer) => {
  const stream = answer.stream ? `stream ${answer.stream}: ` : "";
  const why = answer.reason ? `; ${answer.reason}` : "";
  return `${stream}${asked(answer)} answered ${answer.status}: ${bytes(answer.bytes)}, the first after ${time(answer.first_us / 1e6)}, the last ${
    answer.whole_us === null ? "is still to come" : `after ${time(answer.whole_us / 1e6)}`}${why}`;
};
const shape = (name, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
};
const lanes = (answers) => {
  const end = ({ us, first_us: first, whole_us: whole }) => us + Math.max(first, whole ?? 0, 1);
  const [from, to] = [Math.min(...answers.map(({ us }) => us)), Math.max(...answers.map(end))];
  const at = (us) => 60 + 920 * (us - from) / Math.max(1, to - from);
  const streams = [...new Set(answers.map(({ stream }) => stream))].sort((one, other) => one - other);
  const picture = shape("svg", { viewBox: `0 0 1000 ${18 * streams.length + 4}`, role: "img", "aria-label": "a lane for each stream" });
  streams.forEach((stream, lane) => {
    const y = 18 * lane + 4;
    picture.append(shape("text", { x: 0, y: y + 10 }, stream || "one by one"));
    for (const answer of answers.filter((other) => other.stream === stream)) {
      const [start, first, last] = [at(answer.us), at(answer.us + answer.first_us), at(end(answer))];
      const body = shape("rect", { x: first, y, width: Math.max(2, last - first), height: 12, class: answer.status >= 400 ? "bad" : "" });
      body.append(shape("title", {}, answerWords(answer)));
      picture.append(shape("rect", { x: start, y: y + 4, width: Math.max(1, first - start), height: 4, class: "wait" }), body);
    }
  });
  return picture;
};
