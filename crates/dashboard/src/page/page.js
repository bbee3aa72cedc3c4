// Follows how the server is, and draws it. All that is shown is text that was put in as text.
"use strict";

const SAMPLES = 300;
const by = (id) => document.getElementById(id);
const params = { status: null, times: [], rows: [] };

// Stretches of time that answers are counted by, in seconds, and their ends.
const ENDS = [];
for (let end = 64; end <= 2 ** 26; end *= Math.log2(end) % 1 ? 4 / 3 : end >= 2 ** 18 && end < 2 ** 24 ? 1.5 : 2) ENDS.push(end / 1e6);

const number = (value) => value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k`
  : value >= 100 || Number.isInteger(value) ? `${Math.round(value)}` : value.toFixed(1);
const bytes = (value) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
  return `${at && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
};
const time = (seconds) => seconds === null || seconds === undefined ? "–" : seconds < 1e-3 ? `${Math.round(seconds * 1e6)} µs`
  : seconds < 1 ? `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;

// The time that so many of the answers were faster than; within a stretch they lie evenly.
const percentile = (counts, share) => {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (!all) return null;
  let left = all * share;
  for (let at = 0; at < counts.length; at += 1) {
    if (left <= counts[at] && counts[at]) {
      const start = at ? ENDS[at - 1] : 0;
      return at < ENDS.length ? start + (ENDS[at] - start) * (left / counts[at]) : start;
    }
    left -= counts[at];
  }
  return ENDS[ENDS.length - 1];
};

// A server that was started anew counts anew.
const less = (one, other) => one.map((count, at) => Math.max(0, count - (other?.[at] ?? 0)));
const workers = (status) => status.generations.flatMap((one) => one.workers.map((worker) => ({ ...worker, generation: one })));
const sum = (list, value) => list.reduce((all, one) => all + value(one), 0);

// The kernel counts processor time by ticks of 10 ms: what requests took is known to a tenth where
// they took ten, be it in the last minute.
const TICKS_US = 1e5;
const eachOf = (row, rows) => {
  let [used, requests] = [0, 0];
  for (const one of [row, ...rows.slice(-59).reverse()]) {
    if (one.used === null) return null;
    used += one.used;
    requests += one.count;
    if (used >= TICKS_US) return requests ? used / requests / 1e6 : null;
  }
  return null;
};

// What lies between two looks at the server.
const between = (last, now, seconds) => {
  const sites = (status, name) => sum(status.sites, (site) => site[name]);
  const rate = (name) => Math.max(0, (sites(now, name) - sites(last, name)) / seconds);
  const latency = (status) => status.sites.flatMap((site) => [site.whole.counts])
    .reduce((all, counts) => all.map((count, at) => count + counts[at]), Array(ENDS.length + 1).fill(0));
  const counts = less(latency(now), latency(last));
  const before = new Map(workers(last).map((worker) => [worker.pid, worker.cpu_us]));
  const isTold = workers(now).every((worker) => worker.cpu_us !== null);
  const cpu = sum(workers(now), (worker) => before.has(worker.pid) ? worker.cpu_us - before.get(worker.pid) : 0);
  const requests = rate("requests");
  return {
    requests, "2xx": rate("2xx"), "3xx": rate("3xx"), "4xx": rate("4xx"), "5xx": rate("5xx"), bytes: rate("bytes"),
    p50: percentile(counts, 0.5), p90: percentile(counts, 0.9), p99: percentile(counts, 0.99),
    cpu: isTold ? cpu / seconds / 1e4 : null,
    accepted: Math.max(0, (now.connections - last.connections) / seconds),
    open: now.connections_now, way: sum(workers(now), (worker) => worker.under_way),
    waiting: sum(now.listeners, (one) => one.waiting),
    used: isTold ? cpu : null, count: requests * seconds,
    ...Object.fromEntries(Object.entries(STATES).map(([key, names]) => [key, now.sockets ? sum(names, (name) => now.sockets[name] ?? 0) : null])),
    lag: now.loop_looks > last.loop_looks ? (now.loop_lag_us - last.loop_lag_us) / (now.loop_looks - last.loop_looks) / 1e6 : 0,
  };
};

// States of sockets that are drawn, as the kernel calls them.
const STATES = {
  established: ["ESTABLISHED"], asked: ["SYN_RECV"], leaving: ["FIN_WAIT1", "FIN_WAIT2", "CLOSING", "LAST_ACK"],
  left: ["CLOSE_WAIT"], over: ["TIME_WAIT"],
};
const CHARTS = [
  ["Requests each second", number, [["2xx", "#2e8b57"], ["3xx", "#6a7fdb"], ["4xx", "#c77c02"], ["5xx", "#d0342c"]]],
  ["Time to the end of an answer", time, [["p50", "#2e8b57"], ["p90", "#c77c02"], ["p99", "#d0342c"]]],
  ["Connections", number, [["open", "#0b8fb3", "open"], ["way", "#c77c02", "under way"], ["waiting", "#d0342c", "to be accepted"]]],
  ["Content sent each second", bytes, [["bytes", "#0b8fb3", "bytes"]]],
  ["Processor time, % of a core", number, [["cpu", "#8e5bb5", "workers"]]],
  ["Processor time of each request", time, [["each", "#8e5bb5", "workers"]]],
  ["Sockets by state", number, [["established", "#2e8b57", "ESTABLISHED"], ["asked", "#6a7fdb", "SYN_RECV"], ["leaving", "#c77c02", "FIN_WAIT"],
    ["left", "#d0342c", "CLOSE_WAIT"], ["over", "#8a949c", "TIME_WAIT"]]],
  ["Accepted each second", number, [["accepted", "#0b8fb3", "accepted"]]],
];

// Steps between round numbers of bytes.
const BINARY = Array.from({ length: 50 }, (_, at) => 2 ** at);
const clock = (at) => new Date(at * 1000).toTimeString().slice(0, 8);
const HEIGHT = 160;
const draw = [];
const makeCharts = () => {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--dim", "--line"].map((name) => style.getPropertyValue(name).trim());
  by("charts").replaceChildren();
  draw.length = 0;
  for (const [title, format, series] of CHARTS) {
    const figure = document.createElement("figure");
    figure.setAttribute("role", "img");
    const caption = document.createElement("figcaption");
    caption.textContent = word(title);
    figure.append(caption);
    by("charts").append(figure);
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const chart = new uPlot({
      width: Math.max(200, figure.clientWidth), height: HEIGHT,
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, space: 90, size: 30, values: (_, values) => values.map(clock) }, { ...axis, size: 64, ...(format === bytes ? { incrs: BINARY } : {}), values: (_, values) => values.map(format) }],
      series: [{ label: word("Time"), value: (_, value) => value === null ? "–" : clock(value) }, ...series.map(([key, stroke, label]) => ({
        label: word(label ?? key), stroke, width: 2, spanGaps: false, value: (_, value) => value === null ? "–" : format(value),
      }))],
    }, [[], ...series.map(() => [])], figure);
    draw.push({ chart, figure, title: word(title), format, names: series.map(([key, , label]) => word(label ?? key)), keys: series.map(([key]) => key) });
  }
};
const refresh = () => {
  for (const { chart, figure, title, format, names, keys } of draw) {
    chart.setData([params.times, ...keys.map((key) => params.rows.map((row) => row[key]))]);
    // Where nobody points at a moment, its legend says how it is now.
    if (chart.cursor.idx === null || chart.cursor.left < 0) chart.setLegend({ idx: params.rows.length - 1 });
    const last = params.rows.at(-1);
    const words = keys.map((key, at) => `${names[at]} ${last?.[key] === null || last === undefined ? "–" : format(last[key])}`);
    figure.setAttribute("aria-label", say`${title}, now: ${words.join(", ")}`);
  }
};

const cell = (text, kind) => {
  const made = document.createElement("td");
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const fill = (table, rows) => {
  by(table).tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  }));
};

const showFigures = (row) => {
  const figures = [
    ["requests/s", number(row.requests)], ["errors/s", number(row["4xx"] + row["5xx"])], ["p50", time(row.p50)],
    ["p99", time(row.p99)], ["open", number(row.open)], ["under way", number(row.way)],
    ["sent/s", bytes(row.bytes)], ["CPU/request", time(row.each)],
    ["loop lag", time(row.lag)],
  ];
  by("figures").replaceChildren(...figures.map(([name, value]) => {
    const box = document.createElement("div");
    const [term, text] = ["dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = word(name);
    text.textContent = value;
    box.append(term, text);
    return box;
  }));
};

const showSites = (last, now, seconds) => {
  const rows = [];
  const line = (name, kind, own, before) => [
    cell(name, kind), cell(number(Math.max(0, own.requests - (before?.requests ?? 0)) / seconds)), cell(number(own.requests)),
    cell(number(own["4xx"]), own["4xx"] ? "bad" : ""), cell(number(own["5xx"]), own["5xx"] ? "bad" : ""),
    cell(time(percentile(own.whole.counts, 0.5))), cell(time(percentile(own.whole.counts, 0.99))), cell(bytes(own.bytes)),
  ];
  const busiest = (list) => list.filter((one) => one.requests).sort((one, other) => other.requests - one.requests);
  for (const site of busiest([...now.sites]).slice(0, 20)) {
    const before = last.sites.find((other) => other.site === site.site);
    rows.push(line(site.site, "text", site, before));
    for (const route of busiest([...site.routes]).slice(0, 5)) {
      rows.push(line(route.route, "text route", route, before?.routes.find((other) => other.route === route.route)));
    }
  }
  fill("sites", rows);
};

// What a generation does, and how long it may go on with that.
const phaseOf = ({ phase, seconds_left: left }) => left === undefined ? word(phase) : say`${word(phase)}, for ${span(left)} at most`;

const showGenerations = (now) => {
  fill("generations", workers(now).map((worker) => [
    cell(worker.generation.number), cell(phaseOf(worker.generation), "text"), cell(worker.pid), cell(number(worker.connections_now)),
    cell(number(worker.under_way)), cell(number(worker.requests)), cell(time(worker.cpu_us === null ? null : worker.cpu_us / 1e6)),
    cell(worker.memory_bytes === null ? "–" : bytes(worker.memory_bytes)),
  ]));
  const { reload } = now;
  by("reload").textContent = !reload ? word("The config has not been read again.") : reload.done
    ? say`The config was read again ${span(reload.seconds)} ago.` : say`The config could not be read again, ${span(reload.seconds)} ago: ${reload.reason}`;
  by("reload").className = reload?.done === false ? "bad" : "";
  fill("queues", now.listeners.map((one) => [
    cell(one.address), cell(number(one.waiting)), cell(number(one.waiting_max)),
  ]));
  by("overflows").textContent = now.overflows === null ? word("How often a connection found no room in a queue is not known: /proc is hidden from the server.") : say`${number(now.overflows)} times since this machine was started, a connection found no room in a queue of this kind, of this server or another.`;
};

const take = (now) => {
  if (by("pause").getAttribute("aria-pressed") === "true") return;
  const at = performance.now() / 1000;
  by("version").textContent = now.version;
  const phase = now.generations.some((one) => one.phase === "draining") ? word(", the workers before finish what is under way") : "";
  const serving = now.generations.at(-1);
  report(say`generation ${serving?.number ?? "–"} ${word(serving?.phase ?? "is not there")}${phase}; up ${span(now.seconds)}`, "");
  const last = params.status;
  if (last && at - params.at > 0.2) {
    const seconds = at - params.at;
    const row = between(last, now, seconds);
    row.each = eachOf(row, params.rows);
    params.times.push(Date.now() / 1000);
    params.rows.push(row);
    if (params.times.length > SAMPLES) { params.times.shift(); params.rows.shift(); }
    showFigures(row);
    showHandshakes(last, now, seconds);
    showCertificates(now);
    showPools(last, now, seconds);
    showSites(last, now, seconds);
    showGenerations(now);
    refresh();
  }
  params.status = now;
  params.at = at;
  isResting = isLong && !isResting;
  if (!isResting || !by("requests").hidden) lookClosely();
};
const lookClosely = () => {
  if (!by("connections").hidden || !by("kernel").hidden) lookAtSockets();
  if (!by("requests").hidden) lookAtRequests();
};

// The kernel is asked only while somebody looks at what it says, and for no more than that.
const LISTED_MAX = 100;
// Where there are thousands more, every other second is enough.
const LONG = 1000;
let isLong = false;
let isResting = false;
let isLooking = false;
const lookAtSockets = async () => {
  if (isLooking) return;
  isLooking = true;
  try {
    const wanted = { client: by("client"), limit: by("limit"), state: by("of-state"), site: by("of-site"), answers: by("of-answers") };
    const query = new URLSearchParams(Object.entries(wanted).map(([name, field]) => [name, field.value.trim()]));
    // The view of the kernel's side has states alone.
    query.set("max", by("connections").hidden ? 0 : LISTED_MAX);
    query.set("stories", [...opened]);
    showSockets(await (await fetch(`/sockets?${query}`)).json());
  } catch {
    // The next event says that the server is gone, or the next look finds it back.
  } finally {
    isLooking = false;
  }
};
const showSockets = ({ states, sockets, left_out: leftOut, untold }) => {
  isLong = leftOut > LONG;
  for (const id of ["more", "untold"]) by(id).textContent = untold ? say`The kernel does not tell: ${untold}.` : "";
  fill("states", states.map((one) => [
    cell(one.address), cell(one.state, "text"), cell(number(one.count)), cell(one.oldest_us === null ? "" : time(one.oldest_us / 1e6)),
  ]));
  const rows = [];
  for (const one of sockets) {
    rows.push(socketRow(one));
    if (opened.has(one.client)) rows.push([story(one)]);
  }
  const { client: focused } = document.activeElement?.dataset ?? {};
  fill("sockets", rows);
  if (focused) document.querySelector(`button[data-client="${CSS.escape(focused)}"]`)?.focus();
  if (leftOut) by("more").textContent = say`${number(leftOut)} more are like that and not shown.`;
};

// Connections whose story is shown, by their clients.
const opened = new Set();
const socketRow = (one) => {
  const client = cell("", "text");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = one.client;
  button.dataset.client = one.client;
  button.setAttribute("aria-expanded", opened.has(one.client));
  client.append(button);
  const limit = cell(word(one.limited_by ?? ""), "text");
  limit.title = whyOf(one);
  return [
    client, cell(one.address ?? "", "text"), cell(one.state, "text"), limit, cell(one.why, "why"),
    cell(one.rtt_us === null ? "" : time(one.rtt_us / 1e6)), cell(one.min_rtt_us === null ? "" : time(one.min_rtt_us / 1e6)),
    cell(one.cwnd ?? ""), cell(one.retransmitted ?? "", one.retransmitted ? "bad" : ""),
    cell(one.lost ?? "", one.lost ? "bad" : ""),
    cell(one.delivery_rate === null ? "" : `${bytes(one.delivery_rate)}/s`), cell(one.sent === null ? "" : bytes(one.sent)), cell(one.received === null ? "" : bytes(one.received)),
    cell(one.age_us === null ? "" : time(one.age_us / 1e6)),
  ];
};
// What the verdict rests on.
const whyOf = (one) => one.busy_us ? say`${one.why}. Of ${time(one.busy_us / 1e6)} with something to send the client had no room for ${
  time(one.rwnd_limited_us / 1e6)}, and the send buffer was full for ${time(one.sndbuf_limited_us / 1e6)}.` : one.why;
by("sockets").addEventListener("click", (event) => {
  const { client } = event.target.dataset;
  if (!client) return;
  if (!opened.delete(client)) opened.add(client);
  lookAtSockets();
});

for (const id of ["client", "limit", "of-state", "of-site", "of-answers"]) by(id).addEventListener("input", () => lookAtSockets());

const views = ["now", "requests", "connections", "kernel"];
const turn = () => {
  const view = views.includes(location.hash.slice(1)) ? location.hash.slice(1) : "now";
  for (const other of views) by(other).hidden = other !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.id === "language") link.hash = view;
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "now") fit();
  else lookClosely();
};
const fit = () => draw.forEach(({ chart, figure }) => {
  if (figure.clientWidth) chart.setSize({ width: figure.clientWidth, height: HEIGHT });
});

makeCharts();
turn();
addEventListener("hashchange", turn);
addEventListener("resize", fit);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { makeCharts(); refresh(); });
// 1 to 4 turn to the views, but for who types into a field.
addEventListener("keydown", (event) => {
  const view = views[Number(event.key) - 1];
  if (view && !event.ctrlKey && !event.altKey && !event.metaKey && !/INPUT|SELECT/.test(event.target.tagName)) location.hash = view;
});
const report = (text, kind) => {
  // What is said again is no news to who has it read to them.
  if (by("state").textContent !== text) by("state").textContent = text;
  by("state").className = kind;
};
const LOOK_AGAIN_MS = 5000;
// The server works for those who follow it: a page that nobody sees does not.
let following = null;
const follow = () => {
  following?.close();
  following = null;
  if (document.hidden) return;
  const events = new EventSource("/events");
  following = events;
  events.addEventListener("message", (event) => take(JSON.parse(event.data)));
  events.addEventListener("untold", () => report(word("the server does not say how it is: these figures are old"), "lost"));
  events.addEventListener("error", async () => {
    report(word("the server is not there: looking for it"), "lost");
    // One that was answered something else is not tried again by the browser.
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(() => { if (following === events) follow(); }, LOOK_AGAIN_MS);
    const answer = await fetch("/status").catch(() => null);
    if (answer?.ok) {
      // Where enough follow already, it is looked at now and then.
      take(await answer.json());
    } else if (answer) {
      report(say`the server answers ${answer.status}: load this page again`, "lost");
    }
  });
};
follow();
document.addEventListener("visibilitychange", follow);
by("pause").addEventListener("click", () => {
  const isPaused = by("pause").getAttribute("aria-pressed") !== "true";
  by("pause").setAttribute("aria-pressed", isPaused);
});
