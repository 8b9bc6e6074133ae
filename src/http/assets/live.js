// Keeps what is marked data-live current: at an event, and now and then (more often where the stream cannot be had), the
// page is fetched once more and what is marked is put in place. Of dead letters and of time passing no event tells.
// Where no answer comes any more the page says so until one does. Without this script the page has a link to reload it.
(() => {
  "use strict";
  const LEAST_MS = 1000;
  const POLL_MS = 5000;
  const POLL_BESIDE_STREAM_MS = 10000;
  // A proxy may have ended the stream for good while the server was away.
  const LISTEN_AGAIN_MS = 60000;
  const PATIENCE_MS = 30000;
  // As often as the address asks for, if it does.
  const ASKED_MS = 1000 * document.querySelector("main")?.dataset.refresh;
  const EVENTS = ["run", "deployment", "cluster", "gap", "release", "pullRequest", "push", "workItem", "changes", "incident", "report", "reset"];
  const KEY = "pipetrail.paused";
  const pause = document.getElementById("pause");
  const reload = document.getElementById("reload");
  const connection = document.getElementById("connection");
  let paused = remembered();
  let source = null;
  let listened = 0;
  let poll = 0;
  let timer = 0;
  let last = 0;
  let said = "";
  let asking = false;
  let again = false;

  function remembered() {
    try { return localStorage.getItem(KEY) === "yes"; } catch { return false; }
  }

  function remember() {
    try { localStorage.setItem(KEY, paused ? "yes" : "no"); } catch { /* Only this page knows then. */ }
  }

  // Somebody types, chooses or has marked something there: it is left alone.
  function inUse(region) {
    const at = document.activeElement;
    const typing = at && region.contains(at) && at.matches("input:not([type=hidden]), select, textarea");
    const marked = region.contains(getSelection().anchorNode) && !getSelection().isCollapsed;
    return typing || marked;
  }

  // Where an element stands among its kind, so that the same one gets the focus back.
  function pathOf(element, region) {
    const href = element.getAttribute("href");
    const like = element.id ? `#${CSS.escape(element.id)}`
      : href ? `${element.localName}[href="${CSS.escape(href)}"]` : element.localName;
    return { like, at: Array.from(region.querySelectorAll(like)).indexOf(element) };
  }

  function put(region, fresh) {
    if (inUse(region) || region.innerHTML === fresh.innerHTML) return;
    const focused = region.contains(document.activeElement) && region !== document.activeElement
      ? pathOf(document.activeElement, region) : null;
    const open = Array.from(region.querySelectorAll("details[open][id]"), (details) => details.id);
    const scrolled = Array.from(region.querySelectorAll(".scroll"), (box) => box.scrollLeft);
    const [x, y] = [scrollX, scrollY];
    region.replaceChildren(...fresh.childNodes);
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    region.querySelectorAll(".scroll").forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
    if (focused) {
      const all = region.querySelectorAll(focused.like);
      (all[focused.at] ?? all[0])?.focus({ preventScroll: true });
    }
    scrollTo(x, y);
  }

  // What is wrong, by word; nothing where all is well. It is said once, not at each look.
  function say(what) {
    if (said === what) return;
    const since = new Date().toISOString().slice(11, 16);
    said = what;
    connection.textContent = {
      "": "",
      away: `? No connection since ${since} UTC; trying again`,
      out: "? Signed out: reload to sign in again",
    }[what];
  }

  // A page to sign in on is an answer, but not the one that was asked for.
  function found(answer) {
    if (answer.redirected && new URL(answer.url).pathname === "/login") return "out";
    return answer.status >= 500 ? "away" : "";
  }

  async function refresh() {
    if (paused || document.hidden) return;
    if (asking) { again = true; return; }
    asking = true;
    last = Date.now();
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal });
      if (poll) say(found(answer));
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!paused) document.querySelectorAll("[data-live]").forEach((region) => {
          const fresh = page.getElementById(region.id);
          if (fresh) put(region, fresh);
        });
      }
      if (poll && !source && Date.now() - listened >= LISTEN_AGAIN_MS) listen();
    } catch {
      // The next event or look tells that it is there again. Whoever leaves the page has ended the request.
      if (poll) say("away");
    }
    asking = false;
    if (again) { again = false; soon(); }
  }

  // At most once a second, however many events there are.
  function soon() {
    if (timer || paused) return;
    timer = setTimeout(() => { timer = 0; refresh(); }, Math.max(0, last + LEAST_MS - Date.now()));
  }

  function every(ms) {
    clearInterval(poll);
    poll = setInterval(refresh, ms);
  }

  function listen() {
    listened = Date.now();
    source = new EventSource("/api/v1/stream");
    source.onopen = soon;
    source.onmessage = soon;
    EVENTS.forEach((name) => source.addEventListener(name, soon));
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) {
        source = null;
        every(ASKED_MS || POLL_MS);
      }
      soon();
    };
    every(ASKED_MS || POLL_BESIDE_STREAM_MS);
  }

  function start() {
    if (!source && !poll) listen();
  }

  function stop() {
    source?.close();
    source = null;
    clearInterval(poll);
    poll = 0;
    clearTimeout(timer);
    timer = 0;
    say("");
  }

  function show() {
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Updates are paused" : "Pause updates";
    reload.hidden = !paused;
  }

  if (!document.querySelector("main[data-live]")) return;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    remember();
    show();
    if (paused) stop(); else { start(); refresh(); }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", () => { if (!paused) start(); });
  show();
})();
