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
  by("gathered").textContent = say`What is asked is gathered while somebody looks: ${number(all.seen)} answers so far${
    all.missed ? say`, and ${number(all.missed)} more that came too fast to be looked at` : ""}.`;
  // Whoever marks something is about to copy it.
  const marked = getSelection();
  if (!marked.isCollapsed && by("requests").contains(marked.anchorNode)) return;
  for (const kind of ["sites", "paths", "not_found", "clients", "referrers"]) {
    by(`top-${kind}`).parentElement.hidden = !all[kind].length;
    fill(`top-${kind}`, all[kind].map(({ name, times, doubt }) => [
      cell(name, "text"), cell(doubt ? say`${number(times - doubt)} to ${number(times)}` : number(times)),
    ]));
  }
  by("calm").hidden = all.troubles.length > 0;
  by("troubles").parentElement.hidden = !all.troubles.length;
  fill("troubles", all.troubles.map((one) => [
    named("ago", cell(time(one.ago_us / 1e6))), named("status", cell(one.status, one.status >= 500 ? "bad" : "")),
    named("first byte", cell(time(one.first_us / 1e6))), named("end", cell(ending(one))), named("client", cell(one.client, "text")),
    cell(asked(one), "text break"), cell(whyOfAnswer(one), "text why"), explained(one),
  ]));
};
// Where there is no room for a head of the table, each of its cells says what it is.
const named = (name, made) => {
  made.dataset.name = word(name);
  return made;
};
const whyOfAnswer = ({ reason, status }) => reason || (status >= 500 ? word("failed") : word("slow"));
const asked = ({ method, host, path }) => method ? `${method} ${host}${path}` : word("no request");
const ending = ({ whole_us: us }) => us === null ? word("under way") : time(us / 1e6);

// What says more of it on a terminal of the server: how such a request would be answered and why,
// and what has happened to this one.
const explained = ({ commands }) => {
  const made = cell("", "commands");
  made.append(...commands.map((words) => {
    const one = document.createElement("code");
    one.textContent = words;
    return one;
  }));
  return made;
};

// The story of a connection: what has happened on it, what was asked, and a lane for each stream.
const story = (one) => {
  const made = cell("", "text story");
  made.colSpan = 14;
  if (!one.events) {
    made.textContent = word("Its story comes with the next look.");
    return made;
  }
  const events = one.events.map(({ us, what }) => ({ us, what }));
  const answers = one.answers.map((answer) => ({ us: answer.us, what: answerWords(answer) }));
  const all = [...events, ...answers, ...pauses(one)].sort((first, other) => first.us - other.us);
  if (one.requests === null) {
    made.textContent = word("It came before anybody could look, or has not been accepted yet.");
    return made;
  }
  const list = document.createElement("ol");
  for (const { us, what } of all) {
    const item = document.createElement("li");
    item.textContent = `${time(us / 1e6)}  ${what}`;
    list.append(item);
  }
  const count = document.createElement("p");
  const done = number(one.requests);
  count.textContent = one.requests === 1
    ? say`${done} request was answered on it; those are told of that came, or were under way, while somebody looked.`
    : say`${done} requests were answered on it; those are told of that came, or were under way, while somebody looked.`;
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
    if (end !== null && until - end > BLINK_US) found.push({ us: end, what: say`idle for ${time((until - end) / 1e6)}` });
  };
  for (const { us, first_us: first, whole_us: whole } of answers) {
    pause(us);
    end = whole === null ? Infinity : Math.max(end ?? 0, us + Math.max(first, whole));
  }
  if (state === "ESTABLISHED" && age !== null) pause(age);
  return found;
};
const answerWords = (answer) => {
  const stream = answer.stream ? say`stream ${answer.stream}: ` : "";
  const why = answer.reason ? `; ${answer.reason}` : "";
  if (answer.status === null) return say`${stream}${asked(answer)} waits for its answer, for ${time(answer.under_way_us / 1e6)} so far`;
  return say`${stream}${asked(answer)} answered ${answer.status}: ${bytes(answer.bytes)}, the first after ${time(answer.first_us / 1e6)}, the last ${
    answer.whole_us === null ? word("is still to come") : say`after ${time(answer.whole_us / 1e6)}`}${why}`;
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
  const picture = shape("svg", { viewBox: `0 0 1000 ${18 * streams.length + 4}`, role: "img", "aria-label": word("a lane for each stream") });
  streams.forEach((stream, lane) => {
    const y = 18 * lane + 4;
    picture.append(shape("text", { x: 0, y: y + 10 }, stream || word("one by one")));
    for (const answer of answers.filter((other) => other.stream === stream)) {
      const [start, first, last] = [at(answer.us), at(answer.us + answer.first_us), at(end(answer))];
      const body = shape("rect", { x: first, y, width: Math.max(2, last - first), height: 12, class: answer.status >= 400 ? "bad" : "" });
      body.append(shape("title", {}, answerWords(answer)));
      picture.append(shape("rect", { x: start, y: y + 4, width: Math.max(1, first - start), height: 4, class: "wait" }), body);
    }
  });
  return picture;
};
